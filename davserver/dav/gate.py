"""Who is asking, and whether this method may be used: everything before a byte of the body is read.

Basic or Bearer; the secret names the device, the user name is nobody's proof. Whatever is wrong
with it, the answer is one and the same 401; the log knows which it was.
"""

from __future__ import annotations

import base64
import binascii
import logging
from ipaddress import ip_address

from davserver.dav.door import Environ
from davserver.dav.errors import Refusal
from davserver.http.proxies import UNIX_PEER
from storage.audit import Actor
from storage.db import Database
from storage.errors import BadCredentials, NotAllowed
from storage.identity.last_used import LastUsed
from storage.identity.signin import DeadSecret, SignedIn, sign_in
from storage.principal import Principal
from storage.scopes import Scope

logger = logging.getLogger(__name__)

REALM = "Files"
_LONGEST_HEADER = 4096

# What each method needs. COPY reads its source and writes its target: whoever may write may read.
NEEDS = {
    "OPTIONS": "read", "PROPFIND": "read", "GET": "read", "HEAD": "read", "REPORT": "read",
    "PATCH": "read",  # it only asks for a checksum, see patch.py
    "PUT": "write", "MKCOL": "write", "PROPPATCH": "write", "LOCK": "write", "UNLOCK": "write",
    "COPY": "write", "MOVE": "write", "DELETE": "write",
}  # fmt: skip


class Gate:
    """Lets requests through, with the device's name on them."""

    def __init__(self, database: Database, *, allows_plain_http: bool) -> None:
        self._database = database
        self._allows_plain_http = allows_plain_http
        self._last_used = LastUsed(database)

    def admit(self, environ: Environ) -> SignedIn:
        """Return who is asking.

        Raises BadCredentials, and a Refusal for a password that would travel in the clear.
        """
        if not self._allows_plain_http and not _is_private(environ):
            raise Refusal(403, "Passwords are taken over an encrypted connection only: use https.")
        address = environ["REMOTE_ADDR"]
        try:
            signed_in = self._sign_in(environ)
        except DeadSecret as error:
            logger.info("dead secret: %s", error.reason, extra={"device_id": error.device_id})
            self._last_used.knocked(error.device_id, address=address)
            raise
        client = environ.get("HTTP_USER_AGENT", "")
        self._last_used.used(signed_in.principal.actor_id, address=address, client=client)
        return signed_in

    def _sign_in(self, environ: Environ) -> SignedIn:
        secret = _presented_secret(environ.get("HTTP_AUTHORIZATION"))
        return self._database.read(lambda tx: sign_in(tx, secret=secret))


def require_scope(principal: Principal, method: str) -> None:
    """Raise NotAllowed when the device lacks what the method needs, 405 for an unknown method."""
    action = NEEDS.get(method)
    if action is None:
        allowed = ", ".join(sorted(NEEDS.keys() - {"PATCH"}))
        raise Refusal(405, "This server has no such method.", headers=(("Allow", allowed),))
    family = "account" if principal.mailbox_id is None else "mailbox"
    needed = Scope(f"drive:{family}:{action}")
    if not principal.may(needed):
        raise NotAllowed("This device may not do that.", needs=needed)


def actor_of(environ: Environ, principal: Principal) -> Actor:
    """Return the request's device as the audit log and the drive know it."""
    return Actor(
        type="device",
        id=principal.actor_id,
        label=principal.actor_label,
        ip=environ["REMOTE_ADDR"],
        user_agent=environ.get("HTTP_USER_AGENT"),
        request_id=environ["davserver.request_id"],
    )


def _is_private(environ: Environ) -> bool:
    """Tell whether nobody on the way could read the password."""
    if environ["wsgi.url_scheme"] == "https":
        return True
    return all(_is_local(environ[name]) for name in ("davserver.peer", "REMOTE_ADDR"))


def _is_local(peer: str) -> bool:
    if peer == UNIX_PEER:
        return True
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False


def _presented_secret(header: str | None) -> str:
    """Return the secret in an `Authorization` header. Raises BadCredentials."""
    if header is None:
        raise BadCredentials("no credentials")
    scheme, _, value = header[:_LONGEST_HEADER].strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        raise BadCredentials("unknown scheme")
    try:
        pair = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise BadCredentials("malformed Basic") from None
    _, colon, secret = pair.partition(":")
    if not colon:
        raise BadCredentials("malformed Basic")
    return secret
