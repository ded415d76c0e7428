"""GET and HEAD: ranges, conditions, and files that can't do harm in a browser."""

import base64
import hashlib

import pytest

from tests.dav_client import Dav

TEN = b"0123456789"


@pytest.fixture
def ten(dav):
    dav.put("f.bin", TEN)
    return dav


def test_a_file_comes_whole(ten):
    reply = ten("GET", "f.bin")
    assert (reply.status, reply.body) == (200, TEN)
    assert (reply["Content-Length"], reply["Accept-Ranges"]) == ("10", "bytes")


def test_head_is_get_without_a_body(ten):
    get, head = ten("GET", "f.bin"), ten("HEAD", "f.bin")
    assert head.raw == b""
    assert head.headers == get.headers


def test_an_empty_file_is_empty(dav):
    dav.put("e", b"")
    assert (dav("GET", "e").status, dav("GET", "e", range="bytes=0-5").body) == (200, b"")


@pytest.mark.parametrize(
    ("asked", "expected", "content_range"),
    [
        ("bytes=0-2", b"012", "bytes 0-2/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
    ],
)
def test_one_range_is_206_with_exactly_these_bytes(ten, asked, expected, content_range):
    reply = ten("GET", "f.bin", range=asked)
    assert (reply.status, reply.body) == (206, expected)
    assert reply["Content-Range"] == content_range


def test_a_range_past_the_end_is_416_and_tells_the_size(ten):
    reply = ten("GET", "f.bin", range="bytes=10-")
    assert (reply.status, reply["Content-Range"]) == (416, "bytes */10")


@pytest.mark.parametrize("asked", ["items=0-5", "bytes=5-2", "bytes=abc", "bytes="])
def test_a_range_that_makes_no_sense_gives_the_whole_file(ten, asked):
    assert ten("GET", "f.bin", range=asked).status == 200


def test_head_knows_no_ranges(ten):
    assert ten("HEAD", "f.bin", range="bytes=0-2").status == 200


def test_several_ranges_come_as_several_parts(dav):
    content = bytes(range(256)) * 4
    dav.put("f.bin", content)
    reply = dav("GET", "f.bin", range="bytes=0-4,900-903")
    assert reply.status == 206
    boundary = reply["Content-Type"].partition("boundary=")[2]
    first, second = reply.body.split(f"--{boundary}".encode())[1:3]
    assert first.endswith(b"\r\n\r\n" + content[:5] + b"\r\n")
    assert second.endswith(b"\r\n\r\n" + content[900:904] + b"\r\n")


def test_the_same_date_is_not_modified(ten):
    date = ten("GET", "f.bin")["Last-Modified"]
    reply = ten("GET", "f.bin", if_modified_since=date)
    assert (reply.status, reply.raw) == (304, b"")
    assert reply["ETag"] == ten.etag("f.bin")
    assert "content-length" not in reply.headers or reply["Content-Length"] == "0"


def test_a_known_etag_wins_over_the_date(ten):
    reply = ten(
        "GET", "f.bin", if_none_match=ten.etag("f.bin"),
        if_modified_since="Sat, 01 Jan 2000 00:00:00 GMT",
    )  # fmt: skip
    assert reply.status == 304


def test_an_old_etag_with_a_range_is_412(ten):
    etag = ten.etag("f.bin")
    ten.put("f.bin", b"changed")
    assert ten("GET", "f.bin", if_match=etag, range="bytes=0-1").status == 412


def test_if_range_with_an_old_etag_gives_the_whole_new_file(ten):
    etag = ten.etag("f.bin")
    assert ten("GET", "f.bin", if_range=etag, range="bytes=0-1").status == 206
    ten.put("f.bin", b"changed")
    assert ten("GET", "f.bin", if_range=etag, range="bytes=0-1").body == b"changed"


def test_if_range_takes_the_date_that_finder_was_given(ten):
    date = ten("GET", "f.bin")["Last-Modified"]
    assert ten("GET", "f.bin", if_range=date, range="bytes=3-").body == TEN[3:]


def test_the_digest_is_told_when_it_is_wanted(ten):
    wanted = base64.b64encode(hashlib.sha256(TEN).digest()).decode()
    reply = ten("GET", "f.bin", want_repr_digest="sha-256=1")
    assert reply["Repr-Digest"] == f"sha-256=:{wanted}:"


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.xml", "a.pdf", "a"])
def test_active_content_is_offered_for_saving_and_can_not_run(dav, name):
    dav.put(name, b"<script>alert(1)</script>")
    reply = dav("GET", name)
    assert reply["Content-Disposition"].startswith("attachment")
    assert reply["Content-Security-Policy"].startswith("sandbox")
    assert reply["X-Content-Type-Options"] == "nosniff"


def test_a_name_can_not_add_a_header(dav):
    dav.put("a%22;x=%E2%80%AE.txt", b"x")
    disposition = dav("GET", "a%22;x=%E2%80%AE.txt")["Content-Disposition"]
    assert disposition.isascii()
    assert '"a_;x=_.txt"' in disposition


def test_a_file_with_a_slash_at_the_end_is_404(ten):
    assert ten("GET", "f.bin/").status == 404


def test_nothing_is_404(dav):
    reply = dav("GET", "nothing")
    assert reply.status == 404
    assert b"There is nothing here." in reply.body


def test_a_folder_gives_a_browser_a_page_without_scripts(dav):
    dav.mkcol("d")
    dav.put("d/a%20%3Cb%3E.txt", b"x")
    reply = dav("GET", "d")
    assert reply["Content-Type"].startswith("text/html")
    assert b"a &lt;b&gt;.txt" in reply.body
    assert b"<script" not in reply.body
    assert "script-src" not in reply["Content-Security-Policy"]


@pytest.mark.parametrize("address", ["", "/dav/files/", "/dav/"])
def test_a_folder_answers_head_with_200(dav, address):
    assert dav("HEAD", address).status == 200


def test_a_kiosk_may_read(ten, kiosk):
    assert kiosk.get("f.bin") == TEN


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bob_sees_nothing_of_a_mailbox_of_alice(mary, bob, method):
    mary.put("a", b"x")
    assert bob(method, f"{mary.base}a").status == 404


def test_a_bearer_token_signs_in_as_basic_does(ten):
    bare = Dav(ten.app, None)
    assert bare("GET", "f.bin", authorization=f"Bearer {ten.secret}").status == 200
