"""What Windows' WebClient sends (MS-WDVME; B10 and B11)."""

import pytest

from tests.dav_client import D, Dav, lock_body

AGENT = {"user_agent": "Microsoft-WebDAV-MiniRedir/10.0.26100", "translate": "f"}
Z = "{urn:schemas-microsoft-com:}"
OLD = "Wed, 01 Jan 2020 00:00:00 GMT"


def win32(time):
    names = ("Win32CreationTime", "Win32LastAccessTime", "Win32LastModifiedTime")
    times = "".join(f"<Z:{name}>{time}</Z:{name}>" for name in names)
    attributes = "<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>"
    return (
        f'<D:set><D:prop xmlns:Z="urn:schemas-microsoft-com:">{times}{attributes}</D:prop></D:set>'
    )


def test_map(dav):
    bare = Dav(dav.app, None)
    assert bare("OPTIONS", "/", user_agent="DavClnt", translate="f").status in (200, 401)
    assert bare("OPTIONS", "/dav/files/account").status == 401
    options = dav("OPTIONS", "/dav/files/account", **AGENT)
    assert (options.status, options["MS-Author-Via"]) == (200, "DAV")
    root = dav("PROPFIND", "/dav/files/account", b"", depth="0", **AGENT)
    assert root.status == 207
    assert b"<D:multistatus" in root.body
    assert {f"{D}creationdate", f"{D}getlastmodified", f"{D}resourcetype"} <= root.props().keys()
    for ancestor in ("/", "/dav", "/dav/files"):
        assert dav("PROPFIND", ancestor, b"", depth="0", **AGENT).status == 207
    probes = ("desktop.ini", "folder.jpg", "Thumbs.db", "AutoRun.inf")
    assert {dav("PROPFIND", name, depth="0").status for name in probes} == {404}


def test_write(dav):
    assert dav("PROPFIND", "a.doc", depth="0", **AGENT).status == 404
    assert dav("PUT", "a.doc", b"", **AGENT).status == 201
    locked = dav(
        "LOCK", "a.doc", lock_body(), timeout="Second-3600",
        content_type='text/xml; charset="utf-8"', **AGENT,
    )  # fmt: skip
    assert locked.status == 200
    assert locked["Lock-Token"].startswith("<")
    mine = {"if": f"({locked['Lock-Token']})"}
    first = dav.proppatch("a.doc", win32("Sun, 01 Mar 2026 12:00:00 GMT"), **mine)
    assert set(first.statuses().values()) == {200}
    assert dav("HEAD", "a.doc").status == 200
    assert dav("PUT", "a.doc", b"content", **mine).status == 204
    assert dav.proppatch("a.doc", win32(OLD)).status == 423
    assert dav.proppatch("a.doc", win32(OLD), **mine).status == 207
    assert dav("UNLOCK", "a.doc", lock_token=locked["Lock-Token"]).status == 204
    shown = dav.propfind("a.doc", "getlastmodified", f"{Z}Win32LastModifiedTime",
                         f"{Z}Win32FileAttributes")  # fmt: skip
    assert shown.text("getlastmodified") == OLD
    assert shown.text(f"{Z}Win32LastModifiedTime") == OLD
    assert shown.text(f"{Z}Win32FileAttributes") == "00000020"
    assert dav.get("a.doc") == b"content"


def test_new_folder_and_names_with_blanks(dav):
    dav.mkcol("New%20folder")
    target = "http://localhost/dav/files/account/Gr%C3%BC%C3%9Fe%20%26%20mehr"
    assert dav("MOVE", "New%20folder", destination=target, overwrite="F").status == 201
    dav.put("a")
    dav.put("b")
    there = "http://localhost/dav/files/account/b"
    assert dav("MOVE", "a", destination=there, overwrite="F").status == 412


@pytest.mark.slow
def test_two_thousand_files_fit_into_a_megabyte(dav, cast):
    for number in range(200):
        dav.put(f"file-{number:04d}.txt", b"")
    reply = dav("PROPFIND", "", b"", depth="1", **AGENT)
    assert len(reply.hrefs) == 201
    assert len(reply.raw) * 10 < 1_000_000
