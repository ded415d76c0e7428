"""PATCH, for one thing only: rclone asks for a checksum to be worked out again.

It does so after setting a file's time (vendor nextcloud), and fails the whole copy when refused
(rclone/rclone:backend/webdav/webdav.go). Ours are always right, so it is answered at once. Files
can't be changed in part: every other PATCH is 405. Test: test_patch.py.
"""

from __future__ import annotations

from davserver.dav.checksums import Algorithm, render_checksums
from davserver.dav.door import Answer, Request
from davserver.dav.errors import Refusal
from davserver.dav.options import allowed_methods
from davserver.dav.places import TreePlace
from storage.drive import nodes
from storage.drive.uploads import EMPTY
from storage.errors import NotFound


def answer(request: Request) -> Answer:
    """Answer with the checksum that is asked for. Raises NotFound, a Refusal with 405."""
    asked = (request.header("X_RECALCULATE_HASH") or "").strip().lower()
    place = request.place
    if asked not in list(Algorithm) or not isinstance(place, TreePlace):
        raise Refusal(
            405,
            "Files are sent whole, by PUT.",
            headers=(("Allow", allowed_methods(place)),),
        )
    tree = request.own_tree
    node = request.door.database.read(
        lambda tx: nodes.get(tx, tree=tree, path=place.path).existing()
    )
    if node.is_folder or place.ends_open:
        raise NotFound("There is no file at this address.")
    known = EMPTY if node.blob is None else node
    text = render_checksums(**{asked: getattr(known, asked)})
    return Answer(204, [("OC-Checksum", text)])
