"""The framework's provider and resources: thin views of the drive, for its tools and its tests.

Our own methods do not go through them; whoever holds a `DAVProvider` can still walk the tree, read
files and ask for properties, always as the device of the request in the environ.
"""

from __future__ import annotations

from typing import Any

from wsgidav.dav_provider import (  # type: ignore[import-untyped]
    DAVCollection,
    DAVNonCollection,
    DAVProvider,
)

from davserver.dav.door import Door, Environ, Request
from davserver.dav.places import Level, TreePlace, place_of
from storage.db import Tx
from storage.drive import listing, nodes, usage
from storage.drive.blobs import BlobReader
from storage.drive.nodes import Chain, Node
from storage.drive.paths import Path
from storage.drive.spaces import Tree
from storage.errors import Invalid, NotFound


class DriveProvider(DAVProvider):  # type: ignore[misc] # wsgidav has no types
    """Gives the resource at a URL, as far as the request's device may see it."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self.door = door

    def get_resource_inst(self, path: str, environ: Environ) -> Any:  # Any: a resource, or None
        """Return the resource at a decoded path, or None."""
        request: Request = environ["davserver.request"]
        try:
            place = place_of(path, request.signed_in.principal)
        except (NotFound, Invalid):
            return None
        if isinstance(place, Level):
            return LevelResource(path, environ, place)
        if not isinstance(place, TreePlace):
            return None
        tree = request.tree(place.tree)
        chain = self.door.database.read(lambda tx: nodes.find(tx, tree=tree, path=place.path))
        if chain.node is None:
            return None
        kind = FolderResource if chain.node.is_folder else FileResource
        return kind(path, environ, self.door, chain)


class LevelResource(DAVCollection):  # type: ignore[misc]
    """A folder above the trees."""

    def __init__(self, path: str, environ: Environ, level: Level) -> None:
        super().__init__(path, environ)
        self._level = level

    def get_member_names(self) -> list[str]:
        """Name what this device may see."""
        return list(self._level.members)

    def get_member(self, name: str) -> Any:  # Any: a resource, or None
        """Return a member by its name."""
        return self.provider.get_resource_inst(_below(self.path, name), self.environ)


class _Shown:
    """What files and folders have in common."""

    _node: Node

    def get_creation_date(self) -> float:
        """Return when it was made, in seconds."""
        return self._node.created_at.timestamp()

    def get_last_modified(self) -> float:
        """Return when it was changed, in seconds."""
        return self._node.mtime.timestamp()

    def get_etag(self) -> str:
        """Return the strong tag, without quotes."""
        return self._node.etag

    def support_etag(self) -> bool:
        """Everything has one."""
        return True


class FolderResource(_Shown, DAVCollection):  # type: ignore[misc]
    """A folder in a tree."""

    def __init__(self, path: str, environ: Environ, door: Door, chain: Chain) -> None:
        super().__init__(path, environ)
        self._door = door
        self._tree: Tree = chain.tree
        self._path: Path = chain.path
        self._node = chain.existing()

    def get_member_names(self) -> list[str]:
        """Name the members, in one query."""

        def act(tx: Tx) -> list[str]:
            rows = listing.list_members(
                tx,
                folder_id=self._node.id,
                space_id=self._node.space_id,
                shared_only=self._tree.shared_only and self._path.is_root,
            )
            return [row.name for row in rows]

        return self._door.database.read(act)

    def get_member(self, name: str) -> Any:  # Any: a resource, or None
        """Return a member by its name."""
        return self.provider.get_resource_inst(_below(self.path, name), self.environ)

    def get_used_bytes(self) -> int:
        """Return what the tree takes up."""
        space = self._tree.space
        return self._door.database.read(lambda tx: usage.get(tx, space_id=space.id)).used_bytes


class FileResource(_Shown, DAVNonCollection):  # type: ignore[misc]
    """A file in a tree."""

    def __init__(self, path: str, environ: Environ, door: Door, chain: Chain) -> None:
        super().__init__(path, environ)
        self._door = door
        self._node = chain.existing()

    def get_content_length(self) -> int:
        """Return the number of bytes."""
        return self._node.size

    def get_content_type(self) -> str | None:
        """Return the media type."""
        return self._node.content_type

    def support_ranges(self) -> bool:
        """Every home of bytes has them."""
        return True

    def get_content(self) -> BlobReader | _Nothing:
        """Return a reader of the bytes; the caller closes it."""
        ref = self._node.blob
        return _Nothing() if ref is None else self._door.blobs.open(ref)


class _Nothing:
    """A reader without bytes."""

    def read(self, _size: int = -1, /) -> bytes:
        return b""

    def close(self) -> None:
        """There is nothing to give back."""


def _below(path: str, name: str) -> str:
    return f"{path.rstrip('/')}/{name}"
