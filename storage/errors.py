"""Every way in which the store says no.

    StoreError
    ├── NotFound             nothing there, or nothing of yours: the two are never told apart
    ├── ParentMissing        the folder that something should go into is not there
    ├── AlreadyExists        the name, address or key is taken
    ├── Changed              what the caller expected to find is no longer so (a precondition)
    ├── Locked               somebody else holds a lock on it
    ├── NotAllowed           known who you are; this act is not among your rights
    ├── BadCredentials       what was presented signs nobody in; the reason is for the log only
    ├── TooManyAttempts      wait before trying again; carries how long
    ├── OverQuota            the bytes do not fit into what the account or mailbox may use
    ├── TooLarge             the bytes are more than one file may have
    ├── Invalid              the request makes no sense as it stands; says which part
    ├── Incomplete           fewer or other bytes arrived than were announced
    ├── Unavailable          the database or the blob store is away; worth another try, carries when
    ├── Unreadable           a stored secret was changed, moved, or its key is not at hand
    └── Misconfigured        the set-up is wrong; one sentence that says what to do

Messages are sentences for the person who gets them: they never hold a secret, a statement, a
path on the server or the text of somebody else's exception. Misconfigured alone, which only the
operator sees, names paths of his own configuration. Each door has one table from these
classes to its own statuses; a test fails when a class has no row.
"""

from __future__ import annotations


class StoreError(Exception):
    """The root of the tree. Never raised itself."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(StoreError):
    """Raised by every `get_…`; `find_…` returns None instead."""


class ParentMissing(StoreError):
    """Raised when a file or folder should go into a folder that is not there, or is a file."""


class AlreadyExists(StoreError):
    """Raised when a unique name, address or key is taken, also by a writer a moment earlier."""


class Changed(StoreError):
    """Raised when a condition that the caller set does not hold at the moment of the commit."""


class Locked(StoreError):
    """Raised when a lock stands in the way; `paths` names where it is held."""

    def __init__(self, message: str, *, paths: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.paths = paths


class NotAllowed(StoreError):
    """Raised when the principal lacks the scope or role; `needs` names the missing one."""

    def __init__(self, message: str, *, needs: str | None = None) -> None:
        super().__init__(message)
        self.needs = needs


class BadCredentials(StoreError):
    """Raised for everything that signs nobody in.

    Callers outside answer all of them alike; `reason` goes to the log and the audit row.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("These credentials do not sign anybody in.")
        self.reason = reason


class TooManyAttempts(StoreError):
    """Raised by the limiter. `retry_after_seconds` is at least 1."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = max(1, retry_after_seconds)


class OverQuota(StoreError):
    """Raised before the first byte when the length is known, and again at the commit."""


class TooLarge(StoreError):
    """Raised when a body is, or grows, longer than the largest file that is taken."""


class Invalid(StoreError):
    """Raised for input that no retry can mend; `field` names the part that is wrong."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Incomplete(StoreError):
    """Raised when a body ended early or did not match its announced length or checksum."""


class Unavailable(StoreError):
    """Raised when a part that we stand on is away, after the retries that were worth it."""

    def __init__(self, message: str, *, retry_after_seconds: int = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = max(1, retry_after_seconds)


class Unreadable(StoreError):
    """Raised when a sealed text can't be opened in the place where it lies."""


class Misconfigured(StoreError):
    """Raised at the start, or by a check, when the set-up can't work."""
