from lxml import etree

from davserver.dav.answers import (
    PropertyOutcome,
    all_or_nothing,
    render_mkcol,
    render_proppatch,
)
from davserver.dav.lockxml import ShownLock, render_lock_answer
from davserver.dav.xmlnames import dav
from davserver.dav.xmlrequests import parse_lock
from tests.davserver.dav.samples import parsed


def test_windows_times_are_answered_one_by_one_with_200():
    names = [f"{{urn:schemas-microsoft-com:}}Win32{name}" for name in ("A", "B")]
    body = render_proppatch("/t/a%20b", [PropertyOutcome(name) for name in names])
    ((href, propstats),) = parsed(body)
    assert href == "/t/a%20b"
    assert {status: list(found) for status, found in propstats.items()} == {200: names}
    assert b"xmlns=" not in body


def test_one_failure_makes_the_others_fail_with_it():
    outcomes = all_or_nothing(
        [
            PropertyOutcome("a"),
            PropertyOutcome(dav("getetag"), 403, "cannot-modify-protected-property"),
            PropertyOutcome("b"),
        ]
    )
    ((_, propstats),) = parsed(render_proppatch("/t", outcomes))
    assert {status: set(names) for status, names in propstats.items()} == {
        403: {dav("getetag")},
        424: {"a", "b"},
    }
    body = render_proppatch("/t", outcomes)
    assert b"<D:error><D:cannot-modify-protected-property/></D:error>" in body
    assert b"424 Failed Dependency" in body


def test_a_success_stays_as_it_is():
    outcomes = (PropertyOutcome("a"), PropertyOutcome("b"))
    assert all_or_nothing(outcomes) == outcomes


def test_a_property_changed_twice_is_named_once():
    body = render_proppatch("/t", [PropertyOutcome("a"), PropertyOutcome("a")])
    assert body.count(b"<a/>") == 1


def test_an_extended_mkcol_is_answered_in_its_own_form():
    root = etree.fromstring(render_mkcol([PropertyOutcome(dav("displayname"), 403)]))
    assert root.tag == dav("mkcol-response")
    assert root[0].findtext(dav("status")) == "HTTP/1.1 403 Forbidden"


def test_the_answer_to_lock_has_the_token_first_among_hrefs_within_locktoken():
    owner = parse_lock(
        b'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype>'
        b"<D:write/></D:locktype><D:owner><D:href>u</D:href></D:owner></D:lockinfo>"
    )
    assert owner is not None
    lock = ShownLock("urn:uuid:1", "exclusive", "infinity", owner.owner_xml, 599, "/t/a%20b/")
    root = etree.fromstring(render_lock_answer([lock]))
    active = root.find(f"{dav('lockdiscovery')}/{dav('activelock')}")
    assert root.tag == dav("prop")
    assert active is not None
    assert active.findtext(f"{dav('locktoken')}/{dav('href')}") == "urn:uuid:1"
    assert active.findtext(f"{dav('owner')}/{dav('href')}") == "u"
    assert active.findtext(f"{dav('lockroot')}/{dav('href')}") == "/t/a%20b/"
    assert active.findtext(dav("timeout")) == "Second-599"
    assert active.findtext(dav("depth")) == "infinity"
    assert active.find(f"{dav('lockscope')}/{dav('exclusive')}") is not None
    assert active.find(f"{dav('locktype')}/{dav('write')}") is not None


def test_a_lock_without_an_owner_names_none_and_an_expired_one_has_no_time_left():
    body = render_lock_answer([ShownLock("t:1", "shared", "0", "", -5, "/a")])
    assert b"D:owner" not in body
    assert b"Second-0" in body
