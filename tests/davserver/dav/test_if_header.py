"""The If header of RFC 4918 §10.4, with the RFC's own examples and what clients send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.dav.destination import path_of_tag
from davserver.dav.etags import ETag
from davserver.dav.ifheader import IfCondition, IfList, ResourceState, parse_if
from storage.errors import Invalid

T1 = "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2"
T2 = "urn:uuid:58f202ac-22cf-11d1-b12d-002035b29092"


def lists_of(value: str) -> tuple[IfList, ...]:
    header = parse_if(value, path_of_tag)
    assert header is not None
    return header.lists


def holds(value: str, states: dict[str | None, ResourceState]) -> bool:
    header = parse_if(value, path_of_tag)
    assert header is not None
    return header.holds(lambda path: states.get(path, ResourceState()))


def token(text: str, *, is_negated: bool = False) -> IfCondition:
    return IfCondition(token=text, is_negated=is_negated)


def tag(opaque: str, *, is_weak: bool = False, is_negated: bool = False) -> IfCondition:
    return IfCondition(etag=ETag(opaque, is_weak), is_negated=is_negated)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(f"(<{T1}>)", [IfList((token(T1),))], id="one token"),
        pytest.param(
            f'(<{T1}> ["I am an ETag"])(["I am another ETag"])',
            [IfList((token(T1), tag("I am an ETag"))), IfList((tag("I am another ETag"),))],
            id="RFC 4918 §10.4.6",
        ),
        pytest.param(
            f"(Not <{T1}> <{T2}>)",
            [IfList((token(T1, is_negated=True), token(T2)))],
            id="RFC 4918 §10.4.7",
        ),
        pytest.param(
            f"(<{T1}>)(Not <DAV:no-lock>)",
            [IfList((token(T1),)), IfList((token("DAV:no-lock", is_negated=True),))],
            id="RFC 4918 §10.4.8",
        ),
        pytest.param(
            f'</resource1>(<{T1}>[W/"A weak ETag"]) (["strong ETag"])',
            [
                IfList((token(T1), tag("A weak ETag", is_weak=True)), path="/resource1"),
                IfList((tag("strong ETag"),), path="/resource1"),
            ],
            id="RFC 4918 §10.4.9",
        ),
        pytest.param(
            '<http://www.example.com/specs/> (["4217"])</a%20b>(Not ["x"])',
            [
                IfList((tag("4217"),), path="/specs/"),
                IfList((tag("x", is_negated=True),), path="/a b"),
            ],
            id="two tags, one absolute",
        ),
        pytest.param('(["a]b) <c>"])', [IfList((tag("a]b) <c>"),))], id="marks within a tag"),
        pytest.param('( [ "x" ]  NOT<t:1> )\t', [
            IfList((tag("x"), token("t:1", is_negated=True)))], id="blanks and letter case"),
        pytest.param('([""])', [IfList((tag(""),))], id="an empty tag"),
        pytest.param("</a/../../b>(<t:1>)", [
            IfList((token("t:1"),), is_foreign=True)], id="a path that climbs out"),
        pytest.param("<mailto:x>(<t:1>)", [
            IfList((token("t:1"),), is_foreign=True)], id="a tag that is no URL of ours"),
    ],
)  # fmt: skip
def test_the_whole_grammar_is_read(value: str, expected: list[IfList]):
    assert lists_of(value) == tuple(expected)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "()",
        "(",
        "(<t:1>",
        "<t:1>",
        "</a>",
        "(t:1)",
        "(<>)",
        "(<a b>)",
        "([x])",
        '(["x)',
        '("x")',
        "(Not)",
        "(Not Not <t:1>)",
        "(Nothing <t:1>)",
        "(<t:1>) junk",
        "(<t:1>) </a> (<t:1>)",
        "</a> </b> (<t:1>)",
        "</a> (<t:1>) </b>",
        "(<t:1>),(<t:2>)",
        "(<t:1>\x00)",
        "(" + "<t:1>" * 201 + ")",
        "(<" + "t" * 20_000 + ">)",
    ],
)
def test_what_is_outside_the_grammar_or_absurd_is_refused(value: str):
    with pytest.raises(Invalid) as caught:
        parse_if(value, path_of_tag)
    assert caught.value.field == "If"


def test_a_missing_header_is_none():
    assert parse_if(None, path_of_tag) is None


@given(st.text(alphabet='()<>[]"/ NotW:ab\t', max_size=30))
def test_any_text_is_read_or_refused_cleanly(value: str):
    try:
        header = parse_if(value, path_of_tag)
    except Invalid:
        return
    assert header is not None
    assert header.lists
    assert all(listed.conditions for listed in header.lists)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"(<{T1}>)", True),
        (f"(<{T2}>)", False),
        (f"(Not <{T2}>)", True),
        ('(["e1"])', True),
        ('(["e2"])', False),
        ('(Not ["e2"])', True),
        ('([W/"e1"])', True),
        (f'(<{T1}> ["e2"])', False),
        (f'(<{T1}> ["e2"]) (["e1"])', True),
        ("(Not <DAV:no-lock>)", True),
        ("(<DAV:no-lock>)", False),
        (f"</here>(<{T1}>)", True),
        (f"</there>(<{T1}>)", False),
        (f"<http://other.name:8080/here>(<{T1}>)", True),
        (f"</nowhere>(<{T1}>)", False),
        (f"</nowhere>(Not <{T1}>)", True),
        ('</nowhere>(["e1"])', False),
        (f"</../x>(<{T1}>)", False),
    ],
)
def test_one_list_that_holds_is_enough(value: str, expected: bool):
    here = ResourceState(etag="e1", tokens=frozenset({T1}))
    states = {None: here, "/here": here, "/there": ResourceState("e9", frozenset({T2}))}
    assert holds(value, states) is expected


def test_a_wrong_tag_behind_an_absolute_url_does_not_pass():
    states = {"/a.txt": ResourceState(etag="now")}
    assert not holds('<http://host/a.txt> (["then"])', states)


def test_every_token_that_appears_counts_as_submitted():
    header = parse_if(f"</a>(<{T1}>)(Not <{T2}>)</b>(Not <DAV:no-lock>)", path_of_tag)
    assert header is not None
    assert header.tokens == {T1, T2, "DAV:no-lock"}
    assert header.paths == {"/a", "/b"}


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from(["t:1", "t:2", "t:3"])), min_size=1, max_size=4
    ),
    st.frozensets(st.sampled_from(["t:1", "t:2", "t:3"])),
)
def test_a_list_is_the_conjunction_of_its_conditions(conditions, held):
    value = "(" + " ".join(f"{'Not ' if no else ''}<{name}>" for no, name in conditions) + ")"
    expected = all((name in held) != no for no, name in conditions)
    assert holds(value, {None: ResourceState(tokens=held)}) is expected
