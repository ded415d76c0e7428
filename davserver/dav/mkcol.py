"""MKCOL (RFC 4918 §9.3), and with a body the extended one (RFC 5689)."""

from __future__ import annotations

from davserver.dav import uploads
from davserver.dav.answers import render_mkcol
from davserver.dav.door import Answer, Request
from davserver.dav.errors import RESOURCE_MUST_BE_NULL, XML_TYPE, Refusal
from davserver.dav.expectations import expected_of
from davserver.dav.places import Level, UploadPlace
from davserver.dav.proppatch import parse_mkcol
from davserver.dav.propsetting import plan_changes
from davserver.dav.writing import asked_mtime, written
from davserver.dav.xmlin import read_body
from storage.db import Tx
from storage.drive import folders, properties
from storage.drive.nodes import Node


def answer(request: Request) -> Answer:
    """Answer a MKCOL: 201 exactly for a new folder. Raises what `folders.make` does."""
    changes = parse_mkcol(read_body(request.read))
    if isinstance(request.place, Level):
        # rclone and Joplin make every folder on the way before each upload.
        raise Refusal(
            405,
            "This folder is there already.",
            condition=RESOURCE_MUST_BE_NULL,
            headers=(("Allow", "OPTIONS, GET, HEAD, PROPFIND"),),
        )
    if isinstance(request.place, UploadPlace):
        return uploads.begin(request, request.place)
    place, tree = request.spot()
    plan = plan_changes(changes, node=None)
    if plan.is_refused:
        # RFC 5689 §3: all or nothing, and the body tells which property it was.
        return Answer(424, [("Content-Type", XML_TYPE)], render_mkcol(plan.outcomes))
    expected = expected_of(request)
    mtime = plan.mtime or asked_mtime(request)

    def act(tx: Tx) -> Node:
        made = folders.make(
            tx, tree=tree, path=place.path, actor=request.actor, expected=expected, mtime=mtime
        )
        if not plan.instructions:
            return made
        return properties.patch(
            tx, tree=tree, path=place.path, actor=request.actor, instructions=plan.instructions
        )

    made = request.door.database.write(act)
    return written(made, is_new=True, mtime=asked_mtime(request))
