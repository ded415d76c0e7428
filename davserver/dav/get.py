"""GET and HEAD (RFC 9110 §9.3): conditions, ranges, and bytes from whatever home they live in.

A file on a disk goes out by sendfile. A folder gives a browser a plain page. No transaction is
open while bytes travel; a blob that was replaced in between is still there for a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from davserver.dav.checksums import Algorithm, render_digest, wanted_digest
from davserver.dav.conditions import Representation, Verdict, evaluate, parse_preconditions
from davserver.dav.door import Answer, Headers, Request
from davserver.dav.entries import Entry, as_entries
from davserver.dav.errors import Refusal
from davserver.dav.expectations import expected_of
from davserver.dav.pages import LISTING_HEADERS, file_headers, render_listing
from davserver.dav.places import Level, TreePlace
from davserver.dav.propfind import level_members
from davserver.dav.ranges import Span, Unsatisfiable, frame_multipart, parse_range
from davserver.dav.times import http_date
from davserver.http.file_body import FileBody
from storage.db import Tx
from storage.drive import conditions, listing, nodes
from storage.drive.blobs import BlobReader, BlobRef
from storage.drive.blobs.disk import DiskReader
from storage.drive.nodes import Chain, Node
from storage.drive.uploads import EMPTY
from storage.errors import Changed, NotFound
from storage.randomness import new_request_id, system_random

_PIECE_BYTES = 256 * 1024


def answer(request: Request) -> Answer:
    """Answer a GET or HEAD. Raises NotFound, Changed, a Refusal with 416."""
    place = request.place
    if isinstance(place, Level):
        return _page(request, level_members(request, place), is_top=not place.names)
    if not isinstance(place, TreePlace):
        raise Refusal(
            405,
            "Parts of an upload are not read back.",
            headers=(("Allow", "OPTIONS, PROPFIND, PUT, MKCOL, DELETE, MOVE"),),
        )
    try:
        return _answer_once(request, place)
    except NotFound:
        # Between the look and the opening the file may have been replaced and its old bytes
        # swept. The second look sees the new ones, or that nothing is there.
        return _answer_once(request, place)


def _answer_once(request: Request, place: TreePlace) -> Answer:
    chain = _find(request, place)
    node = chain.existing()
    if node.is_folder:
        return _folder_page(request, chain)
    if place.ends_open:
        raise NotFound("There is nothing at this address.")
    verdict = evaluate(
        parse_preconditions(request.environ), Representation(node.etag, node.mtime), is_read=True
    )
    if verdict is Verdict.FAILED:
        raise Changed("This file is no longer as the request expects it to be.")
    headers: Headers = [
        ("ETag", f'"{node.etag}"'),
        ("Last-Modified", http_date(node.mtime)),
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", "private, no-cache"),
    ]
    if verdict is Verdict.NOT_MODIFIED:
        return Answer(304, headers)
    headers += file_headers(node.name, node.content_type) + _digest(request, node)
    headers += [("OC-FileId", f"{node.id:08d}davserver")]
    # RFC 9110 §14.2: ranges are GET's alone.
    spans: tuple[Span, ...] = ()
    if request.method == "GET" and verdict is Verdict.PROCEED:
        spans = _spans(request, node)
    return _body_answer(request, node, headers, spans)


def _find(request: Request, place: TreePlace) -> Chain:
    expected = expected_of(request) if request.header("IF") else None
    tree = request.own_tree

    def act(tx: Tx) -> Chain:
        chain = nodes.get(tx, tree=tree, path=place.path)
        if expected is not None:
            only_if = conditions.Expected(lists=expected.lists)
            conditions.check(tx, chain=chain, expected=only_if)
        return chain

    return request.door.database.read(act)


def _spans(request: Request, node: Node) -> tuple[Span, ...]:
    try:
        return parse_range(request.header("RANGE"), node.size)
    except Unsatisfiable as error:
        raise Refusal(
            416,
            "The file has no such bytes.",
            headers=(("Content-Range", error.content_range), ("Accept-Ranges", "bytes")),
        ) from None


def _body_answer(request: Request, node: Node, headers: Headers, spans: tuple[Span, ...]) -> Answer:
    if len(spans) > 1:
        return _multipart(request, node, headers, spans)
    span = spans[0] if spans else Span(0, node.size - 1)
    status = 206 if spans else 200
    if spans:
        headers.append(("Content-Range", span.content_range(node.size)))
    headers.append(("Content-Length", str(span.length)))
    if request.method == "HEAD" or node.blob is None:
        return Answer(status, headers)
    return Answer(status, headers, _open(request, node.blob, span))


def _open(request: Request, ref: BlobRef, span: Span) -> FileBody | Iterator[bytes]:
    reader = request.door.blobs.open(ref, start=span.first, length=span.length)
    if isinstance(reader, DiskReader):
        return FileBody(reader.fileno(), reader.offset, span.length, reader.close)
    return _pieces(reader)


def _pieces(reader: BlobReader) -> Iterator[bytes]:
    try:
        while piece := reader.read(_PIECE_BYTES):
            yield piece
    finally:
        reader.close()


def _multipart(request: Request, node: Node, headers: Headers, spans: tuple[Span, ...]) -> Answer:
    kept_type = dict(headers)["Content-Type"]
    frame = frame_multipart(
        spans,
        size=node.size,
        content_type=kept_type,
        boundary=new_request_id(system_random),
    )
    headers = [pair for pair in headers if pair[0] != "Content-Type"]
    headers += [
        ("Content-Type", frame.content_type),
        ("Content-Length", str(frame.content_length)),
    ]
    blobs, ref = request.door.blobs, node.blob
    if ref is None:  # an empty file has no ranges
        return Answer(200, headers)

    def body() -> Iterator[bytes]:
        for head, span in frame.parts:
            yield head
            yield from _pieces(blobs.open(ref, start=span.first, length=span.length))
        yield frame.end

    return Answer(206, headers, body())


def _digest(request: Request, node: Node) -> Headers:
    wanted = wanted_digest(request.header("WANT_REPR_DIGEST"), request.header("WANT_DIGEST"))
    if wanted is None:
        return []
    header, algorithm = wanted
    known = EMPTY if node.blob is None else node
    digests = {
        Algorithm.SHA1: known.sha1, Algorithm.MD5: known.md5, Algorithm.SHA256: known.sha256,
    }  # fmt: skip
    digest = digests[algorithm]
    if digest is None:
        return []
    return [(header, render_digest(header, algorithm, {algorithm: digest}))]


def _folder_page(request: Request, chain: Chain) -> Answer:
    if request.method == "HEAD":
        return _page(request, (), is_top=False)
    node = chain.existing()

    def act(tx: Tx) -> Sequence[listing.ListedRow]:
        return listing.list_members(
            tx,
            folder_id=node.id,
            space_id=node.space_id,
            hides_clutter=request.door.settings.apple_double == "hide",
            shared_only=chain.tree.shared_only and chain.path.is_root,
        )

    rows = request.door.database.read(act)
    return _page(request, as_entries(rows), is_top=False)


def _page(request: Request, entries: Iterable[Entry], *, is_top: bool) -> Answer:
    headers = list(LISTING_HEADERS)
    if request.method == "HEAD":
        return Answer(200, headers)
    path = str(request.environ["davserver.path"]).rstrip("/") + "/"
    texts = render_listing(path, entries, is_top=is_top)
    return Answer(200, headers, "".join(texts).encode("utf-8", "replace"))
