"""PROPFIND: exactly what was asked, 200 first, few queries, and refusals for the absurd."""

import gzip

import pytest
from sqlalchemy import event, update

from storage.identity.tables import plans
from storage.sections import DavConfig
from tests.dav_client import D, prop_body

SIX = ("displayname", "getcontentlength", "getetag", "getlastmodified", "resourcetype", "owner")


@pytest.fixture
def tree(dav):
    dav.mkcol("d")
    for name in ("a.txt", "b%26c.txt", "%C3%A4%20%23.txt"):
        dav.put(f"d/{name}", b"12345")
    dav.mkcol("d/sub")
    return dav


def test_the_folder_comes_first_and_then_its_members(tree):
    reply = tree.propfind("d", *SIX, depth="1")
    base = "/dav/files/account/d/"
    names = ["", "a.txt", "b%26c.txt", "sub/", "%C3%A4%20%23.txt"]
    assert reply.hrefs == [base + name for name in names]


@pytest.mark.parametrize("address", ["d", "d/"])
def test_a_folder_answers_with_and_without_its_slash(tree, address):
    assert tree.propfind(address, "resourcetype").hrefs == ["/dav/files/account/d/"]


def test_a_file_with_a_slash_is_404(tree):
    assert tree("PROPFIND", "d/a.txt/", depth="0").status == 404


def test_a_missing_depth_lists_the_members(tree):
    reply = tree("PROPFIND", "d", prop_body("getetag"))
    assert (reply.status, len(reply.hrefs)) == (207, 5)


def test_a_missing_depth_on_nothing_is_404(tree):
    assert tree("PROPFIND", "nothing").status == 404


def test_unasked_properties_are_not_sent_and_missing_ones_are_404(tree):
    reply = tree.propfind("d/a.txt", "{SAR:}nope", "getetag")
    statuses = [each.text for each in reply.xml.iter(f"{D}status")]
    assert statuses == ["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"]
    assert list(reply.props()) == [f"{D}getetag"]
    assert reply.missing() == ["{SAR:}nope"]


def test_propname_gives_names_without_values(tree):
    body = b'<D:propfind xmlns:D="DAV:"><D:propname/></D:propfind>'
    reply = tree("PROPFIND", "d/a.txt", body, depth="0")
    assert reply.status == 207
    assert not any(element.text or len(element) for element in reply.props().values())


def test_an_empty_body_asks_for_all(tree):
    shown = tree.propfind("d/a.txt").props()
    assert {f"{D}getetag", f"{D}resourcetype", f"{D}lockdiscovery"} <= shown.keys()


def test_a_minimal_answer_leaves_out_what_is_missing(tree):
    reply = tree.propfind("d/a.txt", "getetag", "{SAR:}nope", prefer="return=minimal")
    assert reply.missing() == []
    assert reply["Preference-Applied"] == "return=minimal"


def test_the_root_is_left_out_when_nobody_wants_it(tree):
    reply = tree.propfind("d", "getetag", depth="1", prefer="depth-noroot")
    assert "/dav/files/account/d/" not in reply.hrefs


def test_infinity_on_a_folder_is_refused_with_its_condition(tree):
    reply = tree("PROPFIND", "d", depth="infinity")
    assert (reply.status, reply.condition) == (403, "propfind-finite-depth")


def test_infinity_on_a_file_is_answered(tree):
    assert tree("PROPFIND", "d/a.txt", depth="infinity").status == 207


@pytest.mark.parametrize("dav_settings", [DavConfig(propfind_infinity=True)], ids=["allowed"])
def test_infinity_lists_everything_where_it_is_allowed(tree):
    tree.put("d/sub/deep", b"x")
    hrefs = tree.propfind("", "getetag", depth="infinity").hrefs
    assert "/dav/files/account/d/sub/deep" in hrefs
    assert len(hrefs) == len(set(hrefs)) == 7


@pytest.mark.parametrize("dav_settings", [DavConfig(apple_double="hide")], ids=["hide"])
def test_side_files_are_hidden_from_listings_and_kept(dav):
    dav.put("._a", b"x")
    dav.put(".DS_Store", b"x")
    assert dav.members() == []
    assert dav.get("._a") == b"x"
    assert dav.propfind("._a", "getetag").status == 207


def test_a_long_answer_is_packed_and_says_so(tree):
    reply = tree.propfind("d", *SIX, depth="1", accept_encoding="gzip, deflate")
    assert reply["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in reply["Vary"]
    assert gzip.decompress(reply.raw).startswith(b"<?xml")


def test_a_short_answer_is_not_packed(tree):
    assert "content-encoding" not in tree.propfind("d", "getetag", accept_encoding="gzip").headers


def test_unlimited_room_has_no_available_bytes(tree, cast):
    cast.write(lambda tx: tx.connection.execute(update(plans).values(pool_bytes=None)))
    reply = tree.propfind("", "quota-available-bytes", "quota-used-bytes")
    assert reply.text("quota-used-bytes") == "15"
    assert reply.missing() == [f"{D}quota-available-bytes"]


def test_a_kiosk_is_told_that_it_may_not_write(tree, kiosk):
    asked = ("current-user-privilege-set", "supportedlock")
    mine, theirs = tree.propfind("d", *asked).props(), kiosk.propfind("d", *asked).props()
    privileges = {element[0].tag for element in theirs[f"{D}current-user-privilege-set"]}
    assert not privileges & {f"{D}{name}" for name in ("write", "write-content", "bind", "unbind")}
    assert len(theirs[f"{D}supportedlock"]) == 0
    assert len(mine[f"{D}supportedlock"]) == 2


def test_limited_room_tells_what_is_left(tree, cast):
    cast.write(lambda tx: tx.connection.execute(update(plans).values(pool_bytes=100)))
    reply = tree.propfind("", "quota-available-bytes", "quota-used-bytes")
    assert (reply.text("quota-used-bytes"), reply.text("quota-available-bytes")) == ("15", "85")


def test_every_folder_has_a_sync_token_of_its_own(tree):
    reply = tree.propfind("", "sync-token", depth="1")
    top, inner = (reply.text("sync-token", href) for href in reply.hrefs)
    assert top != inner
    assert tree.propfind("d", "sync-token").text("sync-token") == inner


def test_a_lock_above_is_shown_below(tree):
    token = tree.lock("d")
    reply = tree.propfind("d/a.txt", "lockdiscovery")
    assert reply.props()[f"{D}lockdiscovery"].findtext(f".//{D}locktoken/{D}href") == token


def test_too_many_properties_are_refused(tree):
    names = [f"{{x:}}p{number}" for number in range(501)]
    assert tree("PROPFIND", "d", prop_body(*names), depth="0").status == 413


def test_a_body_that_is_too_long_is_refused(tree):
    assert tree("PROPFIND", "d", b" " * (257 * 1024), depth="0").status == 413


@pytest.mark.parametrize("body", [b"<", b"<x/>", b'<!DOCTYPE x><D:propfind xmlns:D="DAV:"/>'])
def test_a_body_that_makes_no_sense_is_refused(tree, body):
    assert tree("PROPFIND", "d", body, depth="0").status in (400, 403)


@pytest.mark.parametrize(
    ("names", "most"), [(SIX, 2), ((*SIX, "{SAR:}x"), 3), ((*SIX, "quota-used-bytes"), 3),
                        ((*SIX, "lockdiscovery"), 3)],
)  # fmt: skip
@pytest.mark.parametrize("depth", ["0", "1"])
def test_few_statements_are_asked_whatever_the_size(tree, store, names, most, depth):
    tree.propfind("d", *names, depth=depth)
    asked = []

    def count(*_):
        asked.append(_[2])

    event.listen(store.database.engine, "before_cursor_execute", count)
    tree.propfind("d", *names, depth=depth)
    event.remove(store.database.engine, "before_cursor_execute", count)
    asked = [text for text in asked if text.lstrip().upper().startswith(("SELECT", "WITH"))]
    assert len(asked) <= 1 + most  # one more signs in


def test_bob_does_not_see_it(tree, mary, bob):
    assert bob("PROPFIND", mary.base).status == 404
    assert bob.members() == []
