"""The one table of the WebDAV door: what the store refuses → status and DAV condition.

Handlers raise `storage.errors` where the store has a word for it, and a `Refusal` where only
HTTP has one. `answer_for` turns either, and whatever else was raised, into an `ErrorAnswer`: a
small `DAV:error` document with a sentence for people, never with internals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape

from wsgidav.dav_error import DAVError  # type: ignore[import-untyped]

from storage import errors

Headers = tuple[tuple[str, str], ...]

OUR_NAMESPACE: Final = "urn:davserver"
XML_TYPE: Final = "application/xml; charset=utf-8"

# The conditions that we answer with, each with its source.
CANNOT_MODIFY_PROTECTED_PROPERTY: Final = "cannot-modify-protected-property"  # RFC 4918 §16
LOCK_TOKEN_MATCHES_REQUEST_URI: Final = "lock-token-matches-request-uri"  # noqa: S105 (§16)
LOCK_TOKEN_SUBMITTED: Final = "lock-token-submitted"  # noqa: S105 (RFC 4918 §16)
NEED_PRIVILEGES: Final = "need-privileges"  # RFC 3744 §7.1.1
NO_CONFLICTING_LOCK: Final = "no-conflicting-lock"  # RFC 4918 §16
NO_EXTERNAL_ENTITIES: Final = "no-external-entities"  # RFC 4918 §16
NUMBER_OF_MATCHES_WITHIN_LIMITS: Final = "number-of-matches-within-limits"  # RFC 6578 §3.2
PROPFIND_FINITE_DEPTH: Final = "propfind-finite-depth"  # RFC 4918 §16
QUOTA_NOT_EXCEEDED: Final = "quota-not-exceeded"  # RFC 4331 §6
RESOURCE_MUST_BE_NULL: Final = "resource-must-be-null"  # RFC 3253, for MKCOL and its kin
SUPPORTED_REPORT: Final = "supported-report"  # RFC 3253 §3.6
VALID_RESOURCETYPE: Final = "valid-resourcetype"  # RFC 5689 §3.3
VALID_SYNC_TOKEN: Final = "valid-sync-token"  # noqa: S105 (RFC 6578 §3.2)

# RFC 4918 §16: where the condition says which resources it is about.
_WITH_HREFS = frozenset({LOCK_TOKEN_SUBMITTED, NO_CONFLICTING_LOCK, NEED_PRIVILEGES})


class Refusal(DAVError):  # type: ignore[misc] # wsgidav has no types
    """A refusal that only HTTP has a word for; `sentence` is for the person who gets it.

    It is the framework's own error too, so its code passes it on, and its error page shows ours.
    """

    def __init__(
        self,
        status: int,
        sentence: str,
        *,
        condition: str | None = None,
        hrefs: tuple[str, ...] = (),
        headers: Headers = (),
    ) -> None:
        super().__init__(status, sentence, add_headers=list(headers))
        self.status = status
        self.sentence = sentence
        self.condition = condition
        self.hrefs = hrefs
        self.headers = headers

    def get_response_page(self) -> tuple[str, bytes]:
        """Return what the framework would send as the error's page."""
        return XML_TYPE, answer_for(self).body


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """All that is sent when a request fails."""

    status: int
    sentence: str
    condition: str | None = None
    hrefs: tuple[str, ...] = ()
    privilege: str | None = None
    headers: Headers = ()
    reference: str | None = field(default=None, compare=False)

    @property
    def status_line(self) -> str:
        """Status and phrase, as WSGI wants them."""
        return status_line(self.status)

    @property
    def body(self) -> bytes:
        """The `DAV:error` document (RFC 4918 §14.5)."""
        parts = [
            '<?xml version="1.0" encoding="utf-8"?>\n',
            f'<D:error xmlns:D="DAV:" xmlns:s="{OUR_NAMESPACE}">',
            self._condition_xml(),
            f"<s:message>{escape(self.sentence)}</s:message>",
        ]
        if self.reference:
            parts.append(f"<s:reference>{escape(self.reference)}</s:reference>")
        parts.append("</D:error>")
        return "".join(parts).encode("utf-8", "replace")

    def _condition_xml(self) -> str:
        if self.condition is None:
            return ""
        inner = "".join(f"<D:href>{escape(href)}</D:href>" for href in self.hrefs)
        if self.condition == NEED_PRIVILEGES:
            privilege = f"<D:privilege><D:{self.privilege or 'all'}/></D:privilege>"
            href = inner or "<D:href/>"
            inner = f"<D:resource>{href}{privilege}</D:resource>"
        if not inner or self.condition not in _WITH_HREFS:
            return f"<D:{self.condition}/>"
        return f"<D:{self.condition}>{inner}</D:{self.condition}>"


@dataclass(frozen=True, slots=True)
class _Row:
    status: int
    condition: str | None = None
    # Null: the error's own message, which was written for people. Otherwise what is said instead.
    says: str | None = None


_OUR_FAULT = "Something went wrong on the server. It has been noted."

# Every class of storage/errors.py has a row; a test compares.
_TABLE: dict[type[errors.StoreError], _Row] = {
    errors.NotFound: _Row(404, says="There is nothing here."),
    errors.AlreadyExists: _Row(405, RESOURCE_MUST_BE_NULL),
    errors.ParentMissing: _Row(409),
    errors.Changed: _Row(412),
    errors.TooLarge: _Row(413),
    errors.Locked: _Row(423, LOCK_TOKEN_SUBMITTED),
    errors.NotAllowed: _Row(403, NEED_PRIVILEGES),
    errors.BadCredentials: _Row(401, says="Sign in with a device password."),
    errors.TooManyAttempts: _Row(429),
    errors.OverQuota: _Row(507, QUOTA_NOT_EXCEEDED),
    errors.Invalid: _Row(400),
    errors.Incomplete: _Row(400),
    errors.Unavailable: _Row(503),
    errors.Unreadable: _Row(500, says=_OUR_FAULT),
    errors.Misconfigured: _Row(500, says=_OUR_FAULT),
    errors.StoreError: _Row(500, says=_OUR_FAULT),
}

# RFC 3744 §3 in the words of our scopes: the last word of `drive:account:write`.
_PRIVILEGES = {"read": "read", "write": "write", "share": "write-acl", "purge": "unbind"}

_SENTENCES = {
    400: "The server could not make sense of this request.",
    403: "This is not allowed.",
    404: "There is nothing here.",
    405: "This method can't be used here.",
    409: "The folder above it does not exist.",
    412: "It is no longer as the request expects it to be.",
    415: "The server does not understand a body of this type here.",
}


def answer_for(
    error: BaseException,
    *,
    method: str = "",
    reference: str | None = None,
    realm: str = "Files",
    own_href: str | None = None,
    href_of: Callable[[str], str] = lambda path: path,
) -> ErrorAnswer:
    """Return what to send for `error`.

    `href_of` turns a path of the store into an href as listings have it. `own_href` is the
    request's, named where a lock stands in the way and nobody knows which. `reference` is what
    the log knows the request by, shown with failures of our own only.
    """
    if isinstance(error, Refusal):
        return ErrorAnswer(
            error.status, error.sentence, error.condition, error.hrefs, headers=error.headers
        )
    if isinstance(error, DAVError):
        return _answer_for_framework(error, reference)
    if not isinstance(error, errors.StoreError):
        return ErrorAnswer(500, _OUR_FAULT, reference=reference)
    row = next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)
    return ErrorAnswer(
        status=row.status,
        sentence=row.says or error.message,
        condition=_condition(row, method),
        hrefs=_hrefs(error, href_of, own_href),
        privilege=_privilege(error),
        headers=_headers(error, realm),
        reference=reference if row.status == HTTPStatus.INTERNAL_SERVER_ERROR else None,
    )


def _answer_for_framework(error: DAVError, reference: str | None) -> ErrorAnswer:
    # Its own words may quote statements, paths or parsers, so only its status is believed.
    status = int(error.value)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ErrorAnswer(status, _OUR_FAULT, reference=reference)
    return ErrorAnswer(status, _SENTENCES.get(status, f"{status_line(status)}."))


def _condition(row: _Row, method: str) -> str | None:
    # RFC 4918 §9.10.6: the same obstacle is named differently when a lock was asked for.
    if method == "LOCK" and row.condition == LOCK_TOKEN_SUBMITTED:
        return NO_CONFLICTING_LOCK
    # That something had to be absent is a condition of the methods that make it.
    if method != "MKCOL" and row.condition == RESOURCE_MUST_BE_NULL:
        return None
    return row.condition


def _hrefs(
    error: errors.StoreError, href_of: Callable[[str], str], own_href: str | None
) -> tuple[str, ...]:
    if not isinstance(error, errors.Locked):
        return ()
    # RFC 4918 §16: lock-token-submitted names at least one resource.
    return tuple(map(href_of, error.paths)) or ((own_href,) if own_href else ())


def _privilege(error: errors.StoreError) -> str | None:
    if not isinstance(error, errors.NotAllowed) or error.needs is None:
        return None
    return _PRIVILEGES.get(error.needs.rpartition(":")[2])


def _headers(error: errors.StoreError, realm: str) -> Headers:
    if isinstance(error, (errors.TooManyAttempts, errors.Unavailable)):
        return (("Retry-After", str(error.retry_after_seconds)),)
    if isinstance(error, errors.BadCredentials):
        return (("WWW-Authenticate", f'Basic realm="{realm}", charset="UTF-8"'),)
    return ()


def status_line(status: int) -> str:
    """Return `507 Insufficient Storage` for 507."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"
