"""What DAVx5's mount sends (B8, B9), and some of the small ones (B13, B15 to B17)."""

import pytest

from storage.identity.tables import plans
from tests.dav_client import D, Dav, lock_body

NINE = ("displayname", "resourcetype", "getcontenttype", "getetag", "getcontentlength",
        "getlastmodified", "quota-available-bytes", "quota-used-bytes",
        "current-user-privilege-set")  # fmt: skip
HERE = "http://localhost/dav/files/account/"


def privileges(reply, href=None):
    held = reply.props(href)[f"{D}current-user-privilege-set"]
    return {each[0].tag.removeprefix(D) for each in held}


def test_mount(dav, kiosk):
    dav.mkcol("sub")
    options = dav("OPTIONS", "sub")
    assert "1" in [word.strip() for word in options["DAV"].split(",")]
    listed = dav.propfind("sub", *NINE, depth="1")
    assert listed["Content-Type"].startswith("application/xml")
    assert listed.hrefs == ["/dav/files/account/sub/"]
    assert {"write", "bind", "unbind"} <= privileges(listed)
    denied = {"write", "write-content", "bind", "unbind"}
    assert not privileges(kiosk.propfind("sub", *NINE)) & denied


def test_paging_through_a_film(dav):
    dav.put("f.mp4", bytes(4096))
    head = dav("HEAD", "f.mp4", accept_encoding="gzip")
    assert (head["Content-Length"], head["Accept-Ranges"]) == ("4096", "bytes")
    etag = head["ETag"]
    page = dav("GET", "f.mp4", range="bytes=0-2047", if_match=etag, accept_encoding="identity")
    assert (page.status, len(page.raw)) == (206, 2048)
    past = dav("GET", "f.mp4", range="bytes=4096-6143", if_match=etag)
    assert (past.status, past["Content-Range"]) == (416, "bytes */4096")
    assert dav("GET", "f.mp4", accept_encoding="gzip")["ETag"] == etag
    dav.put("f.mp4", b"changed")
    assert dav("GET", "f.mp4", range="bytes=0-1", if_match=etag).status == 412


def test_create_and_save(dav):
    assert dav("PUT", "n.txt", b"", if_none_match="*").status == 201
    assert dav("PUT", "n.txt", b"", if_none_match="*").status == 412
    assert dav("PUT", "n.txt", b"text", is_chunked=True).status == 204
    assert dav("MOVE", "n.txt", destination=f"{HERE}m.txt", overwrite="F").status == 201
    dav.put("n.txt")
    assert dav("MOVE", "n.txt", destination=f"{HERE}m.txt", overwrite="F").status == 412
    dav.mkcol("sub")
    assert dav("MOVE", "sub", destination=f"{HERE}sub2").status == 201
    bad = Dav(dav.app, dav.secret[:-1] + "x")
    assert bad("PUT", "m.txt", b"y", is_chunked=True).status == 401
    assert dav.get("m.txt") == b"text"


def test_joplin_and_npm_webdav_headers_are_no_obstacle(dav):
    made_up = {"if_none_match": "JoplinIgnore-3"}
    assert dav("PUT", "a", b"x", **made_up).status == 201
    assert dav("PROPFIND", "", depth="1", **made_up).status == 207
    assert dav("PROPFIND", "a", accept="text/plain,application/xml").status == 207
    granted = dav("LOCK", "a", lock_body(), timeout="Infinite, Second-4100000000")
    assert granted.xml.findtext(f".//{D}timeout") == "Second-86400"


def test_rclone_s_delete_after_a_refused_put_costs_nothing_for_good(dav, cast):
    from sqlalchemy import update

    from storage.drive import spaces, trash

    dav.put("a", b"old")
    cast.write(lambda tx: tx.connection.execute(update(plans).values(pool_bytes=4)))
    assert dav("PUT", "a", b"longer").status == 507
    assert dav("DELETE", "a").status == 204

    def trashed(tx):
        space = spaces.find(tx, account_id=cast.account("alice"))
        return trash.list_trashed(tx, space_id=space.id)

    assert len(cast.read(trashed)) == 1


def test_office_renews_and_others_wait(dav, laptop):
    dav.put("a.docx", b"one")
    token = dav.lock("a.docx")
    mine = {"if": f"(<{token}>)"}
    renewed = dav("LOCK", "a.docx", **mine)
    assert renewed.xml.findtext(f".//{D}locktoken/{D}href") == token
    assert laptop("LOCK", "a.docx", lock_body()).status == 423
    shown = laptop.propfind("a.docx", "lockdiscovery")
    assert shown.props()[f"{D}lockdiscovery"].findtext(f".//{D}owner/{D}href") == "me"
    assert dav("PUT", "a.docx", b"two", **mine).status == 204


@pytest.mark.parametrize("host", ["http://localhost", "https://proxy.example.org:8443", ""])
def test_a_tagged_token_counts_under_whatever_host(dav, host):
    dav.put("a")
    token = dav.lock("a")
    tagged = f"<{host}/dav/files/account/a> (<{token}>)"
    assert dav("PUT", "a", b"x", **{"if": tagged}).status == 204


def test_davfs2_s_executable_is_kept(dav):
    dav.put("a")
    element = '<executable xmlns="http://apache.org/dav/props/">T</executable>'
    inner = f"<D:set><D:prop>{element}</D:prop></D:set>"
    name = "{http://apache.org/dav/props/}executable"
    assert dav.proppatch("a", inner).statuses() == {name: 200}
    assert dav.propfind("a", name).text(name) == "T"
