"""PROPFIND, LOCK and REPORT bodies, and what is done about hostile ones."""

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.dav.errors import Refusal
from davserver.dav.headers import Depth
from davserver.dav.xmlin import LONGEST_BODY, parse_xml, read_body
from davserver.dav.xmlnames import dav
from davserver.dav.xmlrequests import (
    ALL_PROPERTIES,
    Asked,
    LockRequest,
    OtherReport,
    PropfindRequest,
    SyncCollection,
    parse_lock,
    parse_propfind,
    parse_report,
)
from storage.errors import Invalid
from tests.davserver.dav.samples import propfind


def in_propfind(inner: str) -> bytes:
    return f'<?xml version="1.0"?><D:propfind xmlns:D="DAV:">{inner}</D:propfind>'.encode()


class TestReading:
    def test_a_body_is_read_to_its_end(self):
        content = bytes(range(256)) * 700
        assert read_body(io.BytesIO(content).read) == content

    def test_pieces_of_any_size_are_joined(self):
        pieces = iter([b"a", b"bc", b"", b"never asked for"])
        assert read_body(lambda _: next(pieces)) == b"abc"

    def test_the_longest_body_just_fits(self):
        assert len(read_body(io.BytesIO(bytes(LONGEST_BODY)).read)) == LONGEST_BODY

    def test_one_byte_more_is_413_and_no_more_is_read(self):
        source = io.BytesIO(bytes(10 * LONGEST_BODY))
        with pytest.raises(Refusal) as caught:
            read_body(source.read)
        assert caught.value.status == 413
        assert source.tell() == LONGEST_BODY + 1


class TestHostileXml:
    @pytest.mark.parametrize(
        "body",
        [
            b"<a",
            b"<a></b>",
            b"\xff\xfe<",
            b"text",
            b"<a/><b/>",
            b'<?xml version="1.0" encoding="klingon"?><a/>',
            b"<a>&undefined;</a>",
            b"<a>\x01</a>",
            b"<a>\xff</a>",
            b'<a><b:c xmlns:b=""/></a>',
            b"<a><b:c/></a>",
            b"<a>" * 300 + b"</a>" * 300,
        ],
    )
    def test_what_is_not_well_formed_is_refused_without_quoting_it(self, body: bytes):
        with pytest.raises(Invalid) as caught:
            parse_xml(body)
        assert caught.value.message == "The request body is not well-formed XML."

    @pytest.mark.parametrize(
        "declaration",
        [
            "<!DOCTYPE a>",
            '<!DOCTYPE a [<!ENTITY x "y">]>',
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///dev/zero">]>',
            '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd">',
            '<!DOCTYPE a [<!ATTLIST a b CDATA "c">]>',
        ],
    )
    def test_a_document_type_is_refused(self, declaration: str):
        with pytest.raises(Refusal) as caught:
            parse_xml(f"{declaration}<a/>".encode())
        assert (caught.value.status, caught.value.condition) == (403, "no-external-entities")

    def test_entities_that_multiply_are_refused(self):
        entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
        body = f'<!DOCTYPE a [<!ENTITY e0 "lol">{entities}]><a>&e8;</a>'
        with pytest.raises((Invalid, Refusal)):
            parse_xml(body.encode())

    def test_comments_and_instructions_leave_no_trace(self):
        root = parse_xml(b"<?x?><a>b<!-- c --><?d?>e<!-- f --><g/></a><!-- h -->")
        assert root.text == "be"
        assert len(root) == 1

    @given(st.binary(max_size=60))
    def test_no_bytes_make_parsing_fail_otherwise(self, body: bytes):
        with contextlib.suppress(Invalid, Refusal):
            parse_propfind(body)


class TestPropfind:
    @pytest.mark.parametrize("body", [b"", b"  \r\n"])
    def test_no_body_asks_for_everything(self, body: bytes):
        assert parse_propfind(body) == ALL_PROPERTIES

    @pytest.mark.parametrize(
        ("inner", "request_"),
        [
            ("<D:prop><D:a/><D:b/></D:prop>", PropfindRequest(Asked.NAMED, (dav("a"), dav("b")))),
            ("<D:prop/>", PropfindRequest(Asked.NAMED)),
            ("<D:propname/>", PropfindRequest(Asked.NAMES)),
            ("<D:allprop/>", PropfindRequest(Asked.ALL)),
            (
                "<D:allprop/><D:include><D:a/></D:include>",
                PropfindRequest(Asked.ALL, (dav("a"),)),
            ),
            ("<!-- c --><D:prop>\n <!-- c --><D:a/></D:prop>", PropfindRequest(
                Asked.NAMED, (dav("a"),))),
            ("<D:prop><D:b/><D:a/><D:b/></D:prop>", PropfindRequest(
                Asked.NAMED, (dav("b"), dav("a")))),
            ('<D:prop><a/><x:a xmlns:x="urn:x"/></D:prop>', PropfindRequest(
                Asked.NAMED, ("a", "{urn:x}a"))),
            ('<x:new xmlns:x="urn:x"/><D:prop><D:a/></D:prop>', PropfindRequest(
                Asked.NAMED, (dav("a"),))),
        ],
    )  # fmt: skip
    def test_each_form_is_read(self, inner: str, request_: PropfindRequest):
        assert parse_propfind(in_propfind(inner)) == request_

    @pytest.mark.parametrize(
        "body",
        [
            in_propfind(""),
            in_propfind("<D:prop/><D:allprop/>"),
            in_propfind("<D:prop/><D:prop/>"),
            in_propfind("<D:propname/><D:allprop/>"),
            b'<D:propertyupdate xmlns:D="DAV:"><D:prop/></D:propertyupdate>',
            b"<propfind><prop/></propfind>",
            in_propfind(f"<D:prop><D:{'a' * 256}/></D:prop>"),
            in_propfind(f'<D:prop><x:a xmlns:x="{"u" * 513}"/></D:prop>'),
        ],
    )
    def test_what_is_none_of_the_forms_is_refused(self, body: bytes):
        with pytest.raises(Invalid):
            parse_propfind(body)

    def test_500_properties_are_answered_and_501_refused(self):
        names = [f"p{number}" for number in range(501)]
        assert len(parse_propfind(propfind(*names[:500], *names[:500])).names) == 500
        with pytest.raises(Refusal) as caught:
            parse_propfind(propfind(*names))
        assert caught.value.status == 413

    def test_utf_16_is_xml_too(self):
        body = '<?xml version="1.0" encoding="utf-16"?><propfind xmlns="DAV:"><allprop/></propfind>'
        assert parse_propfind(body.encode("utf-16")) == ALL_PROPERTIES


def lockinfo(scope: str = "<D:exclusive/>", kind: str = "<D:write/>", owner: str = "") -> bytes:
    return (
        f'<D:lockinfo xmlns:D="DAV:"><D:lockscope>{scope}</D:lockscope>'
        f"<D:locktype>{kind}</D:locktype>{owner}</D:lockinfo>"
    ).encode()


class TestLock:
    def test_no_body_asks_for_a_refresh(self):
        assert parse_lock(b"") is None

    @pytest.mark.parametrize(
        ("owner", "kept"),
        [
            ("", ""),
            ("<D:owner/>", ""),
            ("<D:owner>u</D:owner>", "u"),
            ("<D:owner> a &amp; b\n</D:owner>", " a &amp; b\n"),
            (
                "<D:owner><D:href>http://x/</D:href> and me</D:owner>",
                '<D:href xmlns:D="DAV:">http://x/</D:href> and me',
            ),
            (
                "<D:owner><x:y xmlns:x='urn:x' z='1'/></D:owner>",
                '<x:y xmlns:x="urn:x" xmlns:D="DAV:" z="1"/>',
            ),
        ],
    )  # fmt: skip
    def test_the_owner_is_kept_as_it_was_sent(self, owner: str, kept: str):
        request = parse_lock(lockinfo(owner=owner))
        assert request is not None
        assert request.scope == "exclusive"
        assert parse_xml(f'<o xmlns:D="DAV:">{request.owner_xml}</o>'.encode()).text == (
            parse_xml(f'<o xmlns:D="DAV:">{kept}</o>'.encode()).text
        )
        assert sorted(request.owner_xml) == sorted(kept)

    def test_shared_locks_are_known(self):
        assert parse_lock(lockinfo("<D:shared/>")) == LockRequest("shared", "")

    @pytest.mark.parametrize(
        "body",
        [
            lockinfo(""),
            lockinfo("<D:exclusive/><D:shared/>"),
            lockinfo(kind="<D:read/>"),
            lockinfo(owner="<D:owner/><D:owner/>"),
            lockinfo(owner=f"<D:owner>{'o' * 9000}</D:owner>"),
            b'<D:lockinfo xmlns:D="DAV:"/>',
            b'<D:propfind xmlns:D="DAV:"/>',
        ],
    )
    def test_a_strange_lock_is_refused(self, body: bytes):
        with pytest.raises(Invalid):
            parse_lock(body)


def sync(inner: str) -> bytes:
    return f'<D:sync-collection xmlns:D="DAV:">{inner}</D:sync-collection>'.encode()


class TestReport:
    PROP = "<D:prop><D:getetag/></D:prop>"
    INFINITE = "<D:sync-level>infinite</D:sync-level>"
    HUNDRED = "<D:limit><D:nresults>100</D:nresults></D:limit>"

    @pytest.mark.parametrize(
        ("inner", "header", "token", "depth", "limit"),
        [
            ("<D:sync-token/><D:sync-level>1</D:sync-level>", None, "", Depth.ONE, None),
            (
                f"<D:sync-token> urn:t:5 </D:sync-token>{INFINITE}{HUNDRED}",
                Depth.ZERO, "urn:t:5", Depth.INFINITY, 100,
            ),
            ("<D:sync-token/>", Depth.ONE, "", Depth.ONE, None),
            ("<D:sync-token/>", Depth.INFINITY, "", Depth.INFINITY, None),
            ("<D:sync-token/>", None, "", Depth.ONE, None),
            ("<D:sync-token/><D:limit><D:nresults>99999999999</D:nresults></D:limit>",
             None, "", Depth.ONE, 2**31 - 1),
        ],
    )  # fmt: skip
    def test_a_sync_collection_is_read(self, inner, header, token, depth, limit):
        expected = SyncCollection(
            token, depth, limit, PropfindRequest(Asked.NAMED, (dav("getetag"),))
        )
        assert parse_report(sync(inner + self.PROP), depth=header) == expected

    @pytest.mark.parametrize(
        "inner",
        [
            "<D:sync-token/>",
            PROP,
            "<D:sync-token/><D:sync-level>2</D:sync-level>" + PROP,
            "<D:sync-token/><D:limit/>" + PROP,
            "<D:sync-token/><D:limit><D:nresults>0</D:nresults></D:limit>" + PROP,
            "<D:sync-token/><D:limit><D:nresults>-1</D:nresults></D:limit>" + PROP,
            f"<D:sync-token>{'t' * 600}</D:sync-token>" + PROP,
        ],
    )
    def test_a_strange_sync_collection_is_refused(self, inner: str):
        with pytest.raises(Invalid):
            parse_report(sync(inner), depth=None)

    def test_other_reports_are_known_by_name(self):
        body = b'<D:expand-property xmlns:D="DAV:"/>'
        assert parse_report(body, depth=None) == OtherReport(dav("expand-property"))
