"""What every handler is handed: the shared parts of the door, one request, and what to answer.

A `Request` exists only past the gate and the resolver: it knows who asks, and what place the URL
names. Handlers are functions from a `Request` to an `Answer`; refusals are raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from davserver.dav.destination import Origin, own_origins
from davserver.dav.errors import Refusal
from davserver.dav.headers import Preferences, parse_prefer
from davserver.dav.places import SHARED, Level, Place, TreePlace
from davserver.http.file_body import FileBody
from storage.audit import Actor
from storage.db import Database, Tx
from storage.drive import nodes, spaces
from storage.drive.blobs import BlobStore
from storage.drive.spaces import Space, Tree
from storage.drive.usage import Quota
from storage.errors import NotFound
from storage.identity.signin import SignedIn
from storage.scopes import Scope
from storage.sections import DavConfig

Environ = dict[str, Any]  # Any: PEP 3333 leaves the values to the key
Headers = list[tuple[str, str]]
Result = TypeVar("Result")

_MOST_SPACES = 100_000


@dataclass(slots=True)
class Door:
    """What all requests of one process share."""

    database: Database
    blobs: BlobStore
    settings: DavConfig
    public_url: str | None = None
    # A space's ids never change, and no space is ever removed: this is no cache of rights.
    _spaces: dict[tuple[int, int | None], Space] = field(default_factory=dict)

    def space_of(self, account_id: int, mailbox_id: int | None) -> Space:
        """Return the account's space or the mailbox's; it is made when it is first needed."""
        key = (account_id, mailbox_id)
        found = self._spaces.get(key)
        if found is None:
            found = self._find_or_make(account_id, mailbox_id)
            if len(self._spaces) >= _MOST_SPACES:
                self._spaces.clear()
            self._spaces[key] = found
        return found

    def _find_or_make(self, account_id: int, mailbox_id: int | None) -> Space:
        found = self.database.read(
            lambda tx: spaces.find(tx, account_id=account_id, mailbox_id=mailbox_id)
        )
        return found or self.database.write(
            lambda tx: spaces.ensure(tx, account_id=account_id, mailbox_id=mailbox_id)
        )


@dataclass(frozen=True)
class Request:
    """One request of a device that may make it."""

    door: Door
    environ: Environ
    signed_in: SignedIn
    actor: Actor
    place: Place

    @property
    def method(self) -> str:
        """The method, as it was sent."""
        return str(self.environ["REQUEST_METHOD"])

    def header(self, name: str) -> str | None:
        """Return a header by its name in the WSGI spelling, without `HTTP_`."""
        return self.environ.get(f"HTTP_{name}")

    @property
    def content_type(self) -> str | None:
        """The media type that the client gave the body, if it gave one."""
        return self.environ.get("CONTENT_TYPE")

    def read(self, size: int) -> bytes:
        """Read from the body. Raises Incomplete when it breaks off."""
        data: bytes = self.environ["wsgi.input"].read(size)
        return data

    @cached_property
    def preferences(self) -> Preferences:
        """What `Prefer` asks for."""
        return parse_prefer(self.header("PREFER"))

    @property
    def origins(self) -> frozenset[Origin]:
        """Under which addresses this request could name us."""
        return own_origins(host_header=self.header("HOST"), public_url=self.door.public_url)

    @property
    def quota(self) -> Quota:
        """What the account, and the mailbox where there is one, may take up."""
        return Quota(self.signed_in.pool_bytes, self.signed_in.allocation_bytes)

    @property
    def may_write(self) -> bool:
        """Whether this device may change anything."""
        principal = self.signed_in.principal
        is_bound = principal.mailbox_id is not None
        return principal.may(Scope.DRIVE_MAILBOX_WRITE if is_bound else Scope.DRIVE_ACCOUNT_WRITE)

    def tree(self, name: str) -> Tree:
        """Return one of this device's trees by its name in URLs."""
        principal = self.signed_in.principal
        if name == SHARED:
            return Tree(self.door.space_of(principal.account_id, None), shared_only=True)
        return Tree(self.door.space_of(principal.account_id, principal.mailbox_id))

    @cached_property
    def own_tree(self) -> Tree:
        """The tree that the request's own place is in.

        The resolver has asked for it once, so that no transaction of a handler opens another.
        """
        if isinstance(self.place, Level):
            raise NotFound("There is nothing at this address.")
        return self.tree(self.place.tree)

    def spot(self) -> tuple[TreePlace, Tree]:
        """Return the place in a tree that this request is about. Raises a Refusal elsewhere."""
        if not isinstance(self.place, TreePlace):
            raise Refusal(403, "This folder only lists what you may see; nothing changes in it.")
        return self.place, self.own_tree

    def write(self, act: Callable[[Tx], Result]) -> Result:
        """Run an act in a transaction that may change things.

        A file has no slash at the end of its URL; with one, nothing is there.
        """

        def checked(tx: Tx) -> Result:
            refuse_open_file(tx, self)
            return act(tx)

        return self.door.database.write(checked)


def refuse_open_file(tx: Tx, request: Request) -> None:
    """Raise NotFound when the URL of a file ends in a slash: cadaver would take it for a folder."""
    place = request.place
    if isinstance(place, TreePlace) and place.ends_open and not place.path.is_root:
        node = nodes.find(tx, tree=request.own_tree, path=place.path).node
        if node is not None and not node.is_folder:
            raise NotFound("There is nothing at this address.")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. A body of one piece gets its Content-Length here; others say it, or stream."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes | FileBody | Iterable[bytes] = b""
