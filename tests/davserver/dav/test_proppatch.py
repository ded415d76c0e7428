import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from davserver.dav.errors import Refusal
from davserver.dav.proppatch import LONGEST_VALUE, PropertyChange, parse_mkcol, parse_proppatch
from davserver.dav.xmlnames import dav
from storage.errors import Invalid


def update(inner: str, attributes: str = "") -> bytes:
    text = f'<D:propertyupdate xmlns:D="DAV:" {attributes}>{inner}</D:propertyupdate>'
    return text.encode()


def setting(element: str, attributes: str = "") -> PropertyChange:
    inner = f"<D:set><D:prop>{element}</D:prop></D:set>"
    (change,) = parse_proppatch(update(inner, attributes))
    return change


def test_the_order_is_the_documents():
    changes = parse_proppatch(
        update(
            "<D:remove><D:prop><D:a/><D:b/></D:prop></D:remove>"
            "<D:set><D:prop><D:a>1</D:a></D:prop></D:set>"
            "<D:set><D:prop><D:b>2</D:b></D:prop></D:set>"
        )
    )
    assert [(it.name, it.is_removal, it.text) for it in changes] == [
        (dav("a"), True, ""),
        (dav("b"), True, ""),
        (dav("a"), False, "1"),
        (dav("b"), False, "2"),
    ]


@pytest.mark.parametrize(
    ("element", "kept"),
    [
        pytest.param('<x:a xmlns:x="urn:x">v</x:a>', '<x:a xmlns:x="urn:x">v</x:a>', id="plain"),
        pytest.param("<p:a>v</p:a>", '<p:a xmlns:p="urn:p">v</p:a>', id="declared further up"),
        pytest.param("<a>v</a>", "<a>v</a>", id="no namespace"),
        pytest.param('<a xmlns="urn:d"><b/></a>', '<a xmlns="urn:d"><b/></a>', id="default"),
        pytest.param("<p:a>v</p:a> tail ", '<p:a xmlns:p="urn:p">v</p:a>', id="no tail"),
        pytest.param(
            "<p:a> <!-- c -->v<?i?> </p:a>", '<p:a xmlns:p="urn:p"> v </p:a>', id="comments go"
        ),
        pytest.param(
            "<p:a>D:collection</p:a>",
            '<p:a xmlns:p="urn:p" xmlns:D="DAV:">D:collection</p:a>',
            id="a prefix within text",
        ),
        pytest.param(
            '<p:a t="D:b"/>', '<p:a xmlns:p="urn:p" xmlns:D="DAV:" t="D:b"/>',
            id="a prefix within an attribute",
        ),
        pytest.param("<p:a>&lt;&amp;&#13;ü𝄞</p:a>", '<p:a xmlns:p="urn:p">&lt;&amp;&#13;ü𝄞</p:a>',
                     id="escapes"),
        pytest.param("<p:a><![CDATA[<b>]]></p:a>", '<p:a xmlns:p="urn:p">&lt;b&gt;</p:a>',
                     id="CDATA"),
        pytest.param('<p:a xml:lang="de"/>', '<p:a xmlns:p="urn:p" xml:lang="de"/>', id="lang"),
    ],
)  # fmt: skip
def test_a_value_is_kept_so_that_it_stands_alone(element: str, kept: str):
    xml = setting(element, 'xmlns:p="urn:p"').xml
    assert xml is not None
    assert etree.canonicalize(xml) == etree.canonicalize(kept)
    assert etree.fromstring(xml).nsmap == etree.fromstring(kept).nsmap


def test_a_language_further_up_is_written_down():
    change = setting('<p:a><b xml:lang="en"/></p:a>', 'xmlns:p="urn:p" xml:lang="fr"')
    assert change.xml is not None
    root = etree.fromstring(change.xml)
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    assert (root.get(lang), root[0].get(lang)) == ("fr", "en")


def test_times_of_cyberduck_come_back_byte_for_byte():
    time = "Wed, 01 Jan 2020 00:00:00 UTC"
    change = setting(f'<S:lastmodified xmlns:S="SAR:">{time}</S:lastmodified>')
    assert change.text == time
    assert change.xml == f'<S:lastmodified xmlns:S="SAR:">{time}</S:lastmodified>'


@given(
    st.text(
        alphabet=st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"),
        max_size=50,
    )
)
def test_any_text_comes_back(text: str):
    element = etree.Element("{urn:p}a")
    element.text = text
    change = setting(etree.tostring(element, encoding="unicode"))
    assert change.text == text
    assert change.xml is not None
    again = etree.fromstring(change.xml)
    assert (again.text or "") == text


def test_keeping_a_kept_value_changes_nothing():
    once = setting('<p:a xmlns:p="urn:p" b="1"><c>D:x</c></p:a>').xml
    assert once is not None
    assert setting(once).xml == once


def test_a_value_of_64_kib_is_kept_and_a_longer_one_refused():
    frame = len("<a></a>")
    assert setting(f"<a>{'v' * (LONGEST_VALUE - frame)}</a>").text
    with pytest.raises(Refusal) as caught:
        setting(f"<a>{'v' * (LONGEST_VALUE - frame + 1)}</a>")
    assert caught.value.status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        update(""),
        update("<D:set/>"),
        update("<D:set><D:prop/></D:set>"),
        update("<D:set><D:prop/><D:prop/></D:set>"),
        b'<D:propfind xmlns:D="DAV:"/>',
        update(f"<D:set><D:prop><{'a' * 256}/></D:prop></D:set>"),
    ],
)
def test_an_update_that_changes_nothing_is_refused(body: bytes):
    with pytest.raises(Invalid):
        parse_proppatch(body)


def test_more_than_500_changes_are_refused():
    with pytest.raises(Refusal):
        parse_proppatch(update(f"<D:set><D:prop>{'<D:a/>' * 501}</D:prop></D:set>"))


def mkcol(inner: str) -> bytes:
    return f'<D:mkcol xmlns:D="DAV:"><D:set><D:prop>{inner}</D:prop></D:set></D:mkcol>'.encode()


COLLECTION = "<D:resourcetype><D:collection/></D:resourcetype>"


def test_an_extended_mkcol_sets_what_is_beside_the_type():
    changes = parse_mkcol(mkcol(f"{COLLECTION}<D:displayname>Docs</D:displayname>"))
    assert [(it.name, it.text) for it in changes] == [(dav("displayname"), "Docs")]


@pytest.mark.parametrize("body", [b"", b"\r\n", mkcol(COLLECTION)])
def test_a_plain_mkcol_sets_nothing(body: bytes):
    assert parse_mkcol(body) == ()


@pytest.mark.parametrize("body", [b"afafafaf", b"<a/>", b'<D:propfind xmlns:D="DAV:"/>'])
def test_another_body_of_mkcol_is_415(body: bytes):
    with pytest.raises(Refusal) as caught:
        parse_mkcol(body)
    assert caught.value.status == 415


@pytest.mark.parametrize(
    "types", ["<c:calendar xmlns:c='urn:ietf:params:xml:ns:caldav'/><D:collection/>", "<D:x/>", ""]
)
def test_other_types_of_collection_are_refused_by_name(types: str):
    with pytest.raises(Refusal) as caught:
        parse_mkcol(mkcol(f"<D:resourcetype>{types}</D:resourcetype>"))
    assert (caught.value.status, caught.value.condition) == (403, "valid-resourcetype")
