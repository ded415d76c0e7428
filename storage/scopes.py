"""What a principal may do: the one vocabulary of scopes, and who may grant which.

A scope is `area:thing:action` (two words where the area is the thing). A stored scope is never
renamed or given another meaning; what is not listed here does not exist and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from storage.errors import Invalid


class Scope(StrEnum):
    """What can be granted, in alphabetical order."""

    ACCOUNT_READ = "account:read"
    ACCOUNT_WRITE = "account:write"
    ALIASES_READ = "aliases:read"
    ALIASES_WRITE = "aliases:write"
    AUDIT_READ = "audit:read"
    DOMAINS_CREATE = "domains:create"
    DOMAINS_DELETE = "domains:delete"
    DOMAINS_DNS_RECHECK = "domains:dns:recheck"
    DOMAINS_READ = "domains:read"
    DOMAINS_WRITE = "domains:write"
    DRIVE_ACCOUNT_PURGE = "drive:account:purge"
    DRIVE_ACCOUNT_READ = "drive:account:read"
    DRIVE_ACCOUNT_SHARE = "drive:account:share"
    DRIVE_ACCOUNT_WRITE = "drive:account:write"
    DRIVE_DEVICES_READ = "drive:devices:read"
    DRIVE_DEVICES_WRITE = "drive:devices:write"
    DRIVE_MAILBOX_PURGE = "drive:mailbox:purge"
    DRIVE_MAILBOX_READ = "drive:mailbox:read"
    DRIVE_MAILBOX_SHARE = "drive:mailbox:share"
    DRIVE_MAILBOX_WRITE = "drive:mailbox:write"
    MAILBOXES_CREATE = "mailboxes:create"
    MAILBOXES_DELETE = "mailboxes:delete"
    MAILBOXES_INVITES_CREATE = "mailboxes:invites:create"
    MAILBOXES_PASSWORD_SET = "mailboxes:password:set"  # noqa: S105 (a word of the vocabulary)
    MAILBOXES_READ = "mailboxes:read"
    MAILBOXES_WRITE = "mailboxes:write"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    MESSAGES_READ = "messages:read"
    MESSAGES_SEND = "messages:send"
    MESSAGES_WRITE = "messages:write"
    TOKENS_READ = "tokens:read"
    TOKENS_WRITE = "tokens:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"


ACCOUNT_DRIVE = frozenset(scope for scope in Scope if scope.startswith("drive:account:"))
"""The family of a device that is bound to no mailbox."""

MAILBOX_DRIVE = frozenset(scope for scope in Scope if scope.startswith("drive:mailbox:"))
"""The family of a device that is bound to one mailbox."""


def parse_scopes(words: Iterable[str]) -> frozenset[Scope]:
    """Turn words into scopes.

    Raises Invalid for a word that is no scope, and names those that are.
    """
    found = set()
    for word in words:
        try:
            found.add(Scope(word))
        except ValueError:
            known = ", ".join(Scope)
            raise Invalid(
                f"There is no scope {word!r}. These exist: {known}.", field="scopes"
            ) from None
    return frozenset(found)


def check_device_scopes(scopes: frozenset[Scope], *, is_bound_to_mailbox: bool) -> None:
    """Refuse a set of scopes that no device may have.

    Raises Invalid when the set is empty, mixes families, does not fit the device's binding, or
    grants anything without read.
    """
    family = MAILBOX_DRIVE if is_bound_to_mailbox else ACCOUNT_DRIVE
    allowed = ", ".join(sorted(family))
    if not scopes:
        raise Invalid(f"A device needs at least one scope. Choose from {allowed}.", field="scopes")
    if strange := scopes - family:
        kind = "bound to a mailbox" if is_bound_to_mailbox else "for the whole account"
        raise Invalid(
            f"A device {kind} can't have {', '.join(sorted(strange))}. Choose from {allowed}.",
            field="scopes",
        )
    read = Scope.DRIVE_MAILBOX_READ if is_bound_to_mailbox else Scope.DRIVE_ACCOUNT_READ
    if read not in scopes:
        raise Invalid(f"No device can go without {read}. Add it.", field="scopes")
