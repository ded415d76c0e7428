"""What macOS Finder sends, request by request (apple-oss-distributions/webdavfs; B1 to B5)."""

import pytest

from davserver.http.refusals import BodyCutShort
from tests.dav_client import D, Dav, Torn, lock_body

FOUR = ("getlastmodified", "getcontentlength", "creationdate", "resourcetype")
AGENT = {"user_agent": "WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)"}
XML = {"content_type": "text/xml"}
HERE = "http://localhost/dav/files/account/"


def finder_lock(dav, address):
    body = lock_body(owner="<D:href>http://www.apple.com/webdav_fs/</D:href>")
    reply = dav("LOCK", address, body, depth="0", timeout="Second-600", **XML, **AGENT)
    assert reply.status == 200
    return reply.xml.find(f".//{D}locktoken")[0].text


def test_mount(dav):
    assert Dav(dav.app, None)("OPTIONS", "", **AGENT).status == 401
    options = dav("OPTIONS", "", **AGENT)
    assert options.status == 200
    assert {"1", "2"} <= {word.strip() for word in options["DAV"].split(",")}
    root = dav.propfind("", *FOUR, **XML)
    assert (root.body.count(b"<D:href>"), root.body.count(b"collection/>")) == (1, 1)
    quota = dav.propfind("", "quota-available-bytes", "quota-used-bytes", "quota", "quotaused")
    assert quota.text("quota-used-bytes").isdigit()
    assert {f"{D}quota", f"{D}quotaused"} <= set(quota.missing())
    probes = (".metadata_never_index", ".Spotlight-V100", "._.", ".hidden")
    assert {dav("PROPFIND", name, depth="0").status for name in probes} == {404}


@pytest.mark.parametrize("name", ["a.bin", "._a.bin"])
def test_copy_in(dav, name):
    assert dav("PROPFIND", name, depth="0").status == 404
    made = dav("PUT", name, b"", **AGENT)
    assert made.status == 201
    assert {"etag", "last-modified"} <= made.headers.keys()
    token = finder_lock(dav, name)
    content = b"x" * 65538
    saved = dav(
        "PUT", name, content, is_chunked=True, x_expected_entity_length="65538",
        **{"if": f"(<{token}>)"},
    )  # fmt: skip
    assert saved.status == 204
    assert dav.propfind(name, *FOUR).text("getcontentlength") == "65538"
    assert dav("UNLOCK", name, lock_token=f"<{token}>").status == 204
    assert dav.get(name) == content


def test_a_cut_connection_keeps_content_and_lock(dav):
    dav.put("a", b"old")
    token = finder_lock(dav, "a")
    mine = {"if": f"(<{token}>)"}
    torn = Torn(b"n", BodyCutShort("cut"))
    assert (
        dav("PUT", "a", torn, is_chunked=True, x_expected_entity_length="9", **mine).status == 400
    )
    assert dav.get("a") == b"old"
    assert dav("PUT", "a", b"new").status == 423
    assert dav("PUT", "a", b"new", **mine).status == 204


def test_an_expected_length_that_is_too_long_keeps_the_old_content(dav):
    dav.put("a", b"old")
    token = finder_lock(dav, "a")
    reply = dav(
        "PUT", "a", b"new", is_chunked=True, x_expected_entity_length="99",
        **{"if": f"(<{token}>)"},
    )  # fmt: skip
    assert reply.status == 400
    assert dav.get("a") == b"old"


def test_an_expected_length_above_quota_is_507_without_reading(dav):
    never_read = Torn(b"", AssertionError("read"))
    reply = dav("PUT", "a", never_read, is_chunked=True, x_expected_entity_length=str(10**15))
    assert reply.status == 507


def test_read_again(dav, clock):
    dav.put("a", bytes(range(100)))
    date = dav("GET", "a")["Last-Modified"]
    assert dav("GET", "a", if_modified_since=date).status == 304
    assert dav("GET", "a", if_range=date, range="bytes=10-").status == 206
    clock.advance(seconds=1)
    dav.put("a", b"changed")
    assert dav("GET", "a", if_modified_since=date).status == 200


def test_safe_save(dav):
    dav.put("a.bin", b"old")
    dav.mkcol("d.sb-1234-abcd/")
    dav.put("d.sb-1234-abcd/a.bin", b"")
    token = finder_lock(dav, "d.sb-1234-abcd/a.bin")
    mine = {"if": f"(<{token}>)"}
    dav.put("d.sb-1234-abcd/a.bin", b"new", **mine)
    moved = dav("MOVE", "d.sb-1234-abcd/a.bin", destination=f"{HERE}a.bin", **mine)
    assert moved.status == 204
    assert dav.get("a.bin") == b"new"
    assert dav.members("d.sb-1234-abcd/") == []
    assert dav("DELETE", "d.sb-1234-abcd/").status == 204


def test_delete_of_a_locked_file_with_its_token(dav):
    dav.put("a")
    token = finder_lock(dav, "a")
    reply = dav("DELETE", "a", **{"if": f"(<{token}>)"})
    assert (reply.status, reply.raw) == (204, b"")


def test_names_are_one_in_both_unicode_forms(dav):
    dav.put("e%CC%81.txt", b"one")
    assert dav.get("%C3%A9.txt") == b"one"
    assert dav.propfind("%C3%A9.txt", *FOUR).status == 207
    assert dav("PUT", "%C3%A9.txt", b"two").status == 204
    assert len(dav.members()) == 1
    moved = dav("MOVE", "e%CC%81.txt", destination=f"{HERE}%C3%A9.txt")
    assert moved.status in (204, 403)
    assert dav.get("%C3%A9.txt") == b"two"


@pytest.mark.parametrize(
    "name", ["a%26b", "a%3Bb", "a%23b", "a%2541", "a+b", "a%20%5B1%5D", "a%3Ab%3F", "100%25"]
)
def test_odd_names_come_back_as_they_went(dav, name):
    dav.put(name, b"x")
    [listed] = dav.members()
    assert dav.get(listed) == b"x"
    assert "&" not in listed
