"""Who is asking: the only identity that travels past a gate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from storage.scopes import Scope


class SignedInBy(StrEnum):
    """How somebody signed in: what was presented and found good."""

    API_TOKEN = "api_token"  # noqa: S105 (a kind of credential, not one)
    DEVICE = "device"
    PASSWORD = "password"  # noqa: S105 (the same)
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in device, person or token, with what it may do at this moment.

    `scopes` are the effective ones: asked for, granted, and still allowed by plan and states.
    `actor_type` is one of the audit log's words, `actor_id` the row it points to.
    """

    account_id: int
    actor_type: str
    actor_id: int
    actor_label: str
    signed_in_by: SignedInBy
    scopes: frozenset[Scope]
    mailbox_id: int | None = None
    device_id: int | None = None

    def may(self, scope: Scope) -> bool:
        """Tell whether `scope` is among the effective ones."""
        return scope in self.scopes
