"""What a URL names for one device: a level above the trees, a place in a tree, an upload area.

Decided from the decoded path and the device alone; nothing is looked up. What this device can't
see has no place at all, so that a foreign tree and a missing one answer the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from davserver.dav.destination import encode_path
from storage.drive.paths import Path
from storage.errors import NotFound
from storage.principal import Principal

ACCOUNT = "account"
SHARED = "shared"
_MAILBOX = "mailbox-"


@dataclass(frozen=True, slots=True)
class Level:
    """A folder above the trees: read-only, made of nothing but its members' names."""

    names: tuple[str, ...]
    members: tuple[str, ...]

    @property
    def href(self) -> str:
        """The encoded path, with a slash at the end."""
        return encode_path("/" + "".join(f"{name}/" for name in self.names))


@dataclass(frozen=True, slots=True)
class TreePlace:
    """A path in one of the device's trees; whether anything is there is not known yet."""

    tree: str
    path: Path
    ends_open: bool

    @property
    def base(self) -> str:
        """The href of the tree's top."""
        return f"/dav/files/{self.tree}/"

    @property
    def href(self) -> str:
        """The encoded path, without a slash at the end unless it is the top."""
        return self.base + self.path.href


@dataclass(frozen=True, slots=True)
class UploadPlace:
    """An upload area of this device, or a part in it."""

    tree: str
    upload: str
    part: str | None

    @property
    def href(self) -> str:
        """The encoded path of the area or the part, without a slash at the end."""
        names = [self.tree, self.upload, *([self.part] if self.part else [])]
        return encode_path("/dav/uploads/" + "/".join(names))


Place = Level | TreePlace | UploadPlace


def trees_of(principal: Principal) -> tuple[str, ...]:
    """Return the names of the trees that a device may see."""
    if principal.mailbox_id is None:
        return (ACCOUNT,)
    return (f"{_MAILBOX}{principal.mailbox_id}", SHARED)


def place_of(path: str, principal: Principal) -> Place:
    """Return what a decoded path names. Raises NotFound, Invalid for a name that can't be one."""
    names = tuple(name for name in path.split("/") if name)
    match names:
        case ():
            return Level((), ("dav",))
        case ("dav",):
            return Level(names, ("files", "principals", "uploads"))
        case ("dav", "files" | "uploads"):
            return Level(names, trees_of(principal))
        case ("dav", "principals", *rest):
            return _principal_place(names, tuple(rest), principal)
        case ("dav", area, tree, *rest) if tree in trees_of(principal):
            return _place_in(area, tree, tuple(rest), ends_open=path.endswith("/"))
    raise NotFound("There is nothing at this address.")


def _place_in(area: str, tree: str, names: tuple[str, ...], *, ends_open: bool) -> Place:
    if area == "files":
        return TreePlace(tree, Path.of(names), ends_open)
    if area == "uploads" and not names:
        return Level(("dav", "uploads", tree), ())
    if area == "uploads" and len(names) <= 2:
        return UploadPlace(tree, names[0], names[1] if len(names) == 2 else None)
    raise NotFound("There is nothing at this address.")


def principal_href(principal: Principal) -> str:
    """Return the URL that stands for the device (RFC 5397)."""
    return f"/dav/principals/device-{principal.device_id}/"


OWNER_HREF = "/dav/principals/account/"
"""What `DAV:owner` says: the account, whoever of its people asks."""


def _principal_place(names: tuple[str, ...], rest: tuple[str, ...], principal: Principal) -> Level:
    mine = ("account", f"device-{principal.device_id}")
    if not rest:
        return Level(names, mine)
    if len(rest) == 1 and rest[0] in mine:
        return Level(names, ())
    raise NotFound("There is nothing at this address.")
