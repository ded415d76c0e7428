"""DELETE (RFC 4918 §9.6): into the trash, whole, with one status."""

from __future__ import annotations

from davserver.dav import uploads
from davserver.dav.door import Answer, Request
from davserver.dav.expectations import expected_of
from davserver.dav.headers import Depth, parse_depth
from davserver.dav.places import UploadPlace
from storage.drive import trash
from storage.errors import Invalid


def answer(request: Request) -> Answer:
    """Answer a DELETE. Raises what `trash.delete` does."""
    if isinstance(request.place, UploadPlace):
        return uploads.delete(request, request.place)
    if parse_depth(request.header("DEPTH")) not in (None, Depth.INFINITY):
        # §9.6.1: a folder goes with all that is in it. Files have no depth to speak of, but a
        # client that asks for a part of something should hear that this is not what happens.
        raise Invalid("DELETE takes no Depth but infinity.", field="Depth")
    place, tree = request.spot()
    expected = expected_of(request)
    request.write(
        lambda tx: trash.delete(
            tx, tree=tree, path=place.path, actor=request.actor, expected=expected
        )
    )
    return Answer(204)
