"""PUT (RFC 4918 §9.7): cheap refusals, then the body into a new blob, then one short transaction.

Nothing of an upload is to be seen before it is durable and its conditions have been judged again.
"""

from __future__ import annotations

from davserver.dav import uploads as upload_area
from davserver.dav.content_types import type_to_keep
from davserver.dav.door import Answer, Request
from davserver.dav.errors import Refusal
from davserver.dav.expectations import expected_of
from davserver.dav.places import UploadPlace
from davserver.dav.writing import (
    BodySource,
    announced_length,
    asked_mtime,
    wanted_of,
    written,
)
from storage.db import Tx
from storage.drive import publishing
from storage.drive.publishing import Published
from storage.drive.uploads import Staged
from storage.drive.usage import Reservation
from storage.errors import Invalid, ParentMissing


def answer(request: Request) -> Answer:
    """Answer a PUT: 201 for a new file, 204 for a new content. Raises what `publish` does."""
    refuse_parts(request)
    if isinstance(request.place, UploadPlace):
        return upload_area.put_part(request, request.place)
    place, tree = request.spot()
    if place.ends_open:
        raise ParentMissing("A file's address does not end in a slash.")
    expected = expected_of(request)
    mtime = asked_mtime(request)
    wanted = wanted_of(request, length=announced_length(request))
    quota, actor, path = request.quota, request.actor, place.path
    request.door.database.read(
        lambda tx: publishing.precheck(
            tx, tree=tree, path=path, actor=actor, expected=expected, quota=quota, size=wanted.size
        )
    )

    def publish(tx: Tx, staged: Staged, reservation: Reservation | None) -> Published:
        return publishing.publish(
            tx,
            tree=tree,
            path=path,
            staged=staged,
            reservation=reservation,
            actor=actor,
            expected=expected,
            quota=quota,
            content_type=type_to_keep(request.content_type, path.name),
            mtime=mtime,
        )

    published = publishing.receive(
        request.door.database,
        request.door.blobs,
        BodySource(request),
        space=tree.space,
        publishing=publish,
        wanted=wanted,
        quota=quota,
    )
    return written(published.node, is_new=published.is_new, mtime=mtime)


def refuse_parts(request: Request) -> None:
    """Refuse what would be taken for the whole file: a range of it, or a packed form.

    RFC 9110 §14.5 wants 400 for Content-Range. Bytes are stored as they come, so that a coding
    would become part of the file (§8.4.1: 415).
    """
    if request.header("CONTENT_RANGE") is not None:
        raise Invalid("A file is sent whole; Content-Range is not taken.", field="Content-Range")
    if (request.header("CONTENT_ENCODING") or "identity").strip().lower() != "identity":
        raise Refusal(415, "Send the file as it is, without Content-Encoding.")
