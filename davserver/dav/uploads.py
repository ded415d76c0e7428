"""Files sent in pieces, as Nextcloud's clients do it: v1 (rclone's form) and v2.

MKCOL opens an area, PUT adds parts, MOVE of `.file` makes them one file. The area is private to
the device: rclone names it by the file's path alone, so two devices would delete each other's
parts (rclone/rclone:backend/webdav/chunking.go).
"""

from __future__ import annotations

from collections.abc import Iterator

from davserver.dav.content_types import guess_type
from davserver.dav.door import Answer, Request
from davserver.dav.errors import Refusal
from davserver.dav.expectations import expected_of
from davserver.dav.headers import Depth, parse_length
from davserver.dav.multistatus import Place, Renderer
from davserver.dav.packing import multistatus_answer
from davserver.dav.places import TreePlace, UploadPlace
from davserver.dav.surroundings import ShownNode, level_surroundings
from davserver.dav.writing import (
    BodySource,
    announced_length,
    asked_mtime,
    wanted_of,
    written,
)
from storage.db import Tx
from storage.drive import chunks, publishing, uploads
from storage.drive.chunks import Part, Upload
from storage.drive.paths import href_of
from storage.drive.publishing import Published
from storage.drive.spaces import Tree
from storage.drive.uploads import Staged
from storage.drive.usage import Reservation
from storage.errors import AlreadyExists, Invalid, NotFound

ASSEMBLED = ".file"


def begin(request: Request, place: UploadPlace) -> Answer:
    """Open an upload area: 201. Raises AlreadyExists, OverQuota."""
    if place.part is not None:
        raise Refusal(403, "An upload has no folders.")
    size = parse_length(request.header("OC_TOTAL_LENGTH"), header="OC-Total-Length")
    space = request.own_tree.space
    request.door.database.write(
        lambda tx: chunks.begin(
            tx,
            space=space,
            device_id=_device_id(request),
            name=place.upload,
            size=size,
            quota=request.quota,
        )
    )
    return Answer(201)


def put_part(request: Request, place: UploadPlace) -> Answer:
    """Take in one part: 201, or 204 when it replaces one. Raises what `chunks.add_part` does."""
    part = place.part
    if part is None:
        raise AlreadyExists("An upload area is a folder.")
    chunks.order_of(part)
    space = request.own_tree.space

    def look(tx: Tx) -> tuple[Upload, int]:
        upload = _get(tx, request, place)
        return upload, chunks.count_spare(tx, upload=upload)

    upload, spare = request.door.database.read(look)

    def keep(tx: Tx, staged: Staged, reservation: Reservation | None) -> bool:
        return chunks.add_part(
            tx, space=space, upload=upload, name=part, staged=staged, reservation=reservation,
            quota=request.quota,
        )  # fmt: skip

    is_new = publishing.receive(
        request.door.database,
        request.door.blobs,
        BodySource(request),
        space=space,
        publishing=keep,
        wanted=wanted_of(request, length=announced_length(request)),
        quota=request.quota,
        spare=spare,
    )
    return Answer(201 if is_new else 204)


def delete(request: Request, place: UploadPlace) -> Answer:
    """Give an upload up: 204. Raises NotFound, which rclone expects of its first request."""
    if place.part is not None:
        raise Refusal(403, "Parts are not deleted one by one; send it again, or end the upload.")
    request.door.database.write(lambda tx: chunks.abort(tx, upload=_get(tx, request, place)))
    return Answer(204)


def move(request: Request, place: UploadPlace, goal: TreePlace) -> Answer:
    """Make the parts one file at `goal`: 201 or 204.

    A client whose answer was lost moves once more and hears what it would have heard. Raises
    NotFound, Incomplete when parts are missing, and what `publish` does.
    """
    if request.method != "MOVE" or place.part != ASSEMBLED:
        raise Refusal(403, "An upload ends by moving its .file to where it belongs.")
    mtime = asked_mtime(request)
    tree = request.tree(goal.tree)
    done = request.door.database.read(lambda tx: _find_finished(tx, request, place, goal, tree))
    if done is not None:
        return written(done.node, is_new=False, mtime=mtime)
    expected = expected_of(request)
    size = parse_length(request.header("OC_TOTAL_LENGTH"), header="OC-Total-Length")
    wanted = wanted_of(request, length=size)

    def look(tx: Tx) -> tuple[Upload, list[Part]]:
        upload = _get(tx, request, place)
        publishing.precheck(tx, tree=tree, path=goal.path, actor=request.actor, expected=expected)
        return upload, chunks.list_parts(tx, upload=upload)

    upload, parts = request.door.database.read(look)
    staged = chunks.assemble(request.door.blobs, parts, wanted=wanted)

    def publish(tx: Tx) -> Published:
        return chunks.finish(
            tx,
            upload=upload,
            tree=tree,
            path=goal.path,
            staged=staged,
            actor=request.actor,
            expected=expected,
            quota=request.quota,
            content_type=guess_type(goal.path.name),
            mtime=mtime,
        )

    try:
        published = request.door.database.write(publish)
    except BaseException:
        uploads.discard(request.door.database, request.door.blobs, staged)
        raise
    return written(published.node, is_new=published.is_new, mtime=mtime)


def _find_finished(
    tx: Tx, request: Request, place: UploadPlace, goal: TreePlace, tree: Tree
) -> Published | None:
    """Return what an earlier MOVE made, unless the upload is running (again)."""
    try:
        _get(tx, request, place)
    except NotFound:
        space = request.own_tree.space
        return chunks.find_finished(
            tx, space=space, device_id=_device_id(request), name=place.upload,
            tree=tree, path=goal.path,
        )  # fmt: skip
    return None


def list_parts(request: Request, place: UploadPlace, renderer: Renderer, depth: Depth) -> Answer:
    """Answer a PROPFIND on an upload: clients that go on with one ask what has arrived."""

    def act(tx: Tx) -> tuple[Upload, list[Part]]:
        upload = _get(tx, request, place)
        return upload, chunks.list_parts(tx, upload=upload)

    upload, parts = request.door.database.read(act)
    listing = renderer.bind(level_surroundings(request))
    base = place.href if place.part is None else place.href.rpartition("/")[0]

    def responses() -> Iterator[str]:
        if place.part is not None:
            found = [part for part in parts if part.name == place.part]
            for part in found:
                yield listing.one(place.href, _shown_part(upload, part), Place.ALONE)
            return
        yield listing.one(f"{base}/", _shown_area(upload), Place.FIRST)
        if depth is not Depth.ZERO:
            shown = (_shown_part(upload, part) for part in parts)
            yield from listing.members(f"{base}/", shown)

    if place.part is not None and all(part.name != place.part for part in parts):
        raise NotFound("There is no such part.")
    return multistatus_answer(request, renderer, responses(), count=len(parts))


def _shown_area(upload: Upload) -> ShownNode:
    return ShownNode(
        upload.id, upload.name, href_of(upload.name), None, "folder", 0, None, str(upload.id),
        upload.created_at, upload.created_at,
    )  # fmt: skip


def _shown_part(upload: Upload, part: Part) -> ShownNode:
    return ShownNode(
        part.blob_id, part.name, href_of(part.name), None, "file", part.size, None,
        f"{upload.id}-{part.blob_id}", part.created_at, part.created_at,
    )  # fmt: skip


def _get(tx: Tx, request: Request, place: UploadPlace) -> Upload:
    space = request.own_tree.space
    return chunks.get(tx, space=space, device_id=_device_id(request), name=place.upload)


def _device_id(request: Request) -> int:
    device_id = request.signed_in.principal.device_id
    if device_id is None:
        raise Invalid("Only devices send files in pieces.")
    return device_id
