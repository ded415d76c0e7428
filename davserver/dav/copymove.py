"""COPY and MOVE (RFC 4918 §9.8, §9.9): complete or refused, 201 or 204, never 207."""

from __future__ import annotations

from davserver.dav import uploads
from davserver.dav.destination import parse_destination
from davserver.dav.door import Answer, Request
from davserver.dav.errors import Refusal
from davserver.dav.expectations import expected_of
from davserver.dav.headers import Depth, parse_depth, parse_overwrite
from davserver.dav.places import TreePlace, UploadPlace, place_of
from davserver.dav.writing import asked_mtime, written
from storage.db import Tx
from storage.drive import transfer
from storage.drive.transfer import Transferred
from storage.errors import Invalid, NotFound, ParentMissing


def answer(request: Request) -> Answer:
    """Answer a COPY or MOVE. Raises what `transfer` does, 502 for another server's URL."""
    if isinstance(request.place, UploadPlace):
        return uploads.move(request, request.place, target_of(request))
    place, tree = request.spot()
    goal = target_of(request)
    is_move = request.method == "MOVE"
    is_deep = _is_deep(request, is_move=is_move)
    overwrites = parse_overwrite(request.header("OVERWRITE"))
    expected, mtime = expected_of(request), asked_mtime(request)
    goal_tree = request.tree(goal.tree)

    def act(tx: Tx) -> Transferred:
        if is_move:
            return transfer.move(
                tx, tree=tree, path=place.path, target=goal.path, target_tree=goal_tree,
                actor=request.actor, overwrites=overwrites, expected=expected,
                quota=request.quota, mtime=mtime,
            )  # fmt: skip
        return transfer.copy(
            tx, tree=tree, path=place.path, target=goal.path, target_tree=goal_tree,
            actor=request.actor, overwrites=overwrites, is_deep=is_deep, expected=expected,
            quota=request.quota, mtime=mtime,
        )  # fmt: skip

    done = request.write(act)
    return written(done.node, is_new=done.is_new, mtime=mtime)


def target_of(request: Request) -> TreePlace:
    """Return the place that `Destination` names, in one of the device's own trees.

    A tree that this device can't see is answered as a missing folder would be. Raises Invalid,
    ParentMissing, a Refusal with 502, or with 403 for a folder that only lists.
    """
    path = parse_destination(request.header("DESTINATION"), origins=request.origins)
    try:
        goal = place_of(path, request.signed_in.principal)
    except NotFound:
        raise ParentMissing("The folder that this should be in is not there.") from None
    if not isinstance(goal, TreePlace):
        raise Refusal(403, "Nothing can be put there.")
    return goal


def _is_deep(request: Request, *, is_move: bool) -> bool:
    depth = parse_depth(request.header("DEPTH"))
    if depth is Depth.ONE or (is_move and depth is Depth.ZERO):
        raise Invalid("A folder goes with all that is in it: Depth infinity.", field="Depth")
    return depth is not Depth.ZERO
