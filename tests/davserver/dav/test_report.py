"""REPORT: what changed since a token; all other reports are refused by name."""

import pytest

from tests.dav_client import D

BASE = "/dav/files/account/"


def sync(dav, token="", *, address="", level="infinite", limit=None):
    limits = f"<D:limit><D:nresults>{limit}</D:nresults></D:limit>" if limit else ""
    body = (
        f'<D:sync-collection xmlns:D="DAV:"><D:sync-token>{token}</D:sync-token>'
        f"<D:sync-level>{level}</D:sync-level>{limits}<D:prop><D:getetag/></D:prop>"
        "</D:sync-collection>"
    )
    return dav("REPORT", address, body.encode(), depth="0")


def token_of(reply):
    return reply.xml.findtext(f"{D}sync-token")


def states(reply):
    """Every href, with True where it is there and False where it is gone."""
    return {
        response.findtext(f"{D}href").removeprefix(BASE): response.find(f"{D}propstat") is not None
        for response in reply.xml.iter(f"{D}response")
    }


@pytest.fixture
def tree(dav):
    dav.mkcol("d")
    dav.put("d/a")
    dav.put("b")
    return dav


def test_without_a_token_everything_is_told(tree):
    reply = sync(tree)
    assert reply.status == 207
    assert states(reply) == {"d/": True, "d/a": True, "b": True}


def test_nothing_changed_is_empty_with_the_same_token(tree):
    token = token_of(sync(tree))
    again = sync(tree, token)
    assert (states(again), token_of(again)) == ({}, token)


def test_what_changed_what_came_and_what_went(tree):
    token = token_of(sync(tree))
    tree.put("d/a", b"new")
    tree("MOVE", "b", destination=f"http://localhost{BASE}c")
    changed = states(sync(tree, token))
    assert (changed["d/a"], changed["b"], changed["c"]) == (True, False, True)


def test_the_property_is_the_same_token(tree):
    assert tree.propfind("", "sync-token").text("sync-token") == token_of(sync(tree))


def test_a_limit_cuts_and_the_rest_follows(tree):
    first = sync(tree, limit=1)
    assert b"number-of-matches-within-limits" in first.body
    told, reply = {}, first
    for _ in range(10):
        told |= {href: there for href, there in states(reply).items() if href}
        if b"number-of-matches-within-limits" not in reply.body:
            break
        reply = sync(tree, token_of(reply), limit=1)
    assert told == {"d/": True, "d/a": True, "b": True}


@pytest.mark.parametrize("token", ["x", "urn:davserver:sync:9-9-9", "urn:davserver:sync:"])
def test_a_token_that_is_none_is_refused_by_its_condition(tree, token):
    reply = sync(tree, token)
    assert (reply.status, reply.condition) == (403, "valid-sync-token")


@pytest.mark.parametrize("name", ["expand-property", "principal-search-property-set", "made-up"])
def test_another_report_is_refused_by_name(tree, name):
    reply = tree("REPORT", "", f'<D:{name} xmlns:D="DAV:"/>'.encode())
    assert (reply.status, reply.condition) == (403, "supported-report")


def test_a_kiosk_may_ask(tree, kiosk):
    assert sync(kiosk).status == 207


def test_bob_does_not_find_it(mary, bob):
    assert sync(bob, address=mary.base).status == 404
