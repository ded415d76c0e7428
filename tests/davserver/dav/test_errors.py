import inspect

import pytest
from lxml import etree
from wsgidav.dav_error import DAVError

from davserver.dav.errors import _TABLE, OUR_NAMESPACE, ErrorAnswer, Refusal, answer_for
from davserver.dav.xmlnames import dav
from storage import errors

ALL_CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.StoreError)
]


def parsed(answer: ErrorAnswer) -> tuple[str | None, list[str], str]:
    """Return the condition, the hrefs within it, and the sentence."""
    root = etree.fromstring(answer.body)
    assert root.tag == dav("error")
    conditions = [it for it in root if etree.QName(it).namespace == "DAV:"]
    assert len(conditions) <= 1
    hrefs = [it.text or "" for condition in conditions for it in condition.iter(dav("href"))]
    name = etree.QName(conditions[0]).localname if conditions else None
    return name, hrefs, root.findtext(f"{{{OUR_NAMESPACE}}}message") or ""


def test_every_class_of_the_store_has_a_row():
    assert set(ALL_CLASSES) == set(_TABLE)


@pytest.mark.parametrize(
    ("error", "method", "status", "condition"),
    [
        (errors.NotFound("x"), "GET", 404, None),
        (errors.AlreadyExists("x"), "MKCOL", 405, "resource-must-be-null"),
        (errors.AlreadyExists("x"), "PUT", 405, None),
        (errors.ParentMissing("x"), "PUT", 409, None),
        (errors.Changed("x"), "PUT", 412, None),
        (errors.TooLarge("x"), "PUT", 413, None),
        (errors.Locked("x", paths=("/a",)), "PUT", 423, "lock-token-submitted"),
        (errors.Locked("x", paths=("/a",)), "LOCK", 423, "no-conflicting-lock"),
        (errors.NotAllowed("x"), "PUT", 403, "need-privileges"),
        (errors.BadCredentials("x"), "GET", 401, None),
        (errors.TooManyAttempts("x", retry_after_seconds=9), "GET", 429, None),
        (errors.OverQuota("x"), "PUT", 507, "quota-not-exceeded"),
        (errors.Invalid("x"), "MOVE", 400, None),
        (errors.Incomplete("x"), "PUT", 400, None),
        (errors.Unavailable("x", retry_after_seconds=7), "GET", 503, None),
        (errors.Unreadable("x"), "GET", 500, None),
        (errors.Misconfigured("x"), "GET", 500, None),
    ],
)
def test_each_refusal_has_its_status_and_condition(error, method, status, condition):
    answer = answer_for(error, method=method)
    assert answer.status == status
    assert parsed(answer)[0] == condition


def test_a_class_below_one_of_the_table_is_answered_alike():
    class Vanished(errors.NotFound):
        pass

    assert answer_for(Vanished("x")).status == 404


def test_what_holds_the_lock_is_named_by_its_href():
    error = errors.Locked("Locked by Bob.", paths=("/a b", "/c"))
    answer = answer_for(error, href_of=lambda path: "/dav" + path.replace(" ", "%20"))
    assert parsed(answer) == ("lock-token-submitted", ["/dav/a%20b", "/dav/c"], "Locked by Bob.")


def test_a_lock_in_an_unknown_place_is_named_by_the_request():
    assert parsed(answer_for(errors.Locked("x"), own_href="/dav/x"))[1] == ["/dav/x"]


@pytest.mark.parametrize(
    ("needs", "privilege"),
    [("drive:account:write", "write"), ("drive:mailbox:read", "read"), ("other", "all"),
     (None, "all")],
)  # fmt: skip
def test_a_missing_scope_is_named_as_a_privilege(needs: str | None, privilege: str):
    answer = answer_for(errors.NotAllowed("x", needs=needs))
    root = etree.fromstring(answer.body)
    found = root.find(f"{dav('need-privileges')}/{dav('resource')}/{dav('privilege')}")
    assert found is not None
    assert [it.tag for it in found] == [dav(privilege)]


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (errors.TooManyAttempts("x", retry_after_seconds=9), ("Retry-After", "9")),
        (errors.Unavailable("x", retry_after_seconds=7), ("Retry-After", "7")),
        (
            errors.BadCredentials("revoked"),
            ("WWW-Authenticate", 'Basic realm="Files", charset="UTF-8"'),
        ),
    ],
)
def test_headers_that_a_status_needs_come_with_it(error, header: tuple[str, str]):
    assert answer_for(error).headers == (header,)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("SELECT secret FROM /srv/data"),
        errors.Unreadable("SELECT secret FROM /srv/data"),
        errors.Misconfigured("SELECT secret FROM /srv/data"),
        errors.BadCredentials("SELECT secret FROM /srv/data"),
        errors.NotFound("SELECT secret FROM /srv/data"),
        DAVError(500, "SELECT secret", src_exception=ValueError("FROM /srv/data")),
        DAVError(403, "SELECT secret", src_exception=ValueError("FROM /srv/data")),
        DAVError(418, "SELECT secret FROM /srv/data"),
    ],
)
def test_internals_are_never_told(error: Exception):
    body = answer_for(error, reference="r1").body
    assert b"SELECT" not in body
    assert b"/srv" not in body


def test_our_own_failures_carry_a_reference_and_others_do_not():
    assert b"<s:reference>r1</s:reference>" in answer_for(ValueError(), reference="r1").body
    assert b"reference" not in answer_for(errors.Changed("x"), reference="r1").body


def test_a_refusal_says_what_it_was_given():
    refusal = Refusal(
        403, "No <b>.", condition="propfind-finite-depth", headers=(("Allow", "GET"),)
    )
    answer = answer_for(refusal)
    assert parsed(answer) == ("propfind-finite-depth", [], "No <b>.")
    assert answer.headers == (("Allow", "GET"),)
    assert answer.status_line == "403 Forbidden"


def test_the_framework_shows_our_page_for_a_refusal():
    content_type, body = Refusal(507, "Full.", condition="quota-not-exceeded").get_response_page()
    assert content_type == "application/xml; charset=utf-8"
    assert b"<D:quota-not-exceeded/>" in body


@pytest.mark.parametrize(
    ("status", "line"),
    [(507, "507 Insufficient Storage"), (423, "423 Locked"), (599, "599 Unknown")],
)
def test_every_status_has_a_phrase(status: int, line: str):
    assert ErrorAnswer(status, "x").status_line == line
