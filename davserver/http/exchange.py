"""One request and its response: cheroot's request and WSGI gateway in one object.

Mends: no answer when a generator fails before start_response, no check that a body reaches its
Content-Length, an unread body read whole into memory first (#106), every failure shown or lost.
Tests: tests/davserver/http/test_gateway.py, test_output.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from davserver.http.bodies import Body
from davserver.http.file_body import FileBody
from davserver.http.parser import Head
from davserver.http.refusals import REASONS, BrokenBody
from davserver.http.response_head import BadResponse, ResponseHead, check_head
from davserver.http.wire import PeerGone, Wire

if TYPE_CHECKING:
    from davserver.http.service import Service

_LOG = logging.getLogger("davserver.http")
_JOIN_UP_TO = 64 * 1024  # a copy of this much is cheaper than a second packet
DRAIN_BYTES = 256 * 1024
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType]


class _CutShort(Exception):
    """The response can't be finished as announced; the connection must be torn, not closed."""


class Exchange:
    """Calls the application once. `closes` and `aborts` tell the connection what to do next."""

    __slots__ = (
        "_chunked", "_environ", "_head", "_left", "_request", "_service", "_stall", "_wire",
        "aborts", "body", "closes", "sent_body_bytes", "started", "status",
    )  # fmt: skip

    def __init__(
        self, service: Service, wire: Wire, request: Head, body: Body, environ: dict[str, Any]
    ) -> None:
        self._service = service
        self._wire = wire
        self._request = request
        self._environ = environ  # Any: it is a WSGI environ
        self._head: ResponseHead | None = None
        self._left: int | None = None
        self._chunked = False
        self._stall = service.settings.write_timeout_seconds
        self.body = body
        self.closes = not request.keeps_alive
        self.aborts = False
        self.started = False
        self.status = 0
        self.sent_body_bytes = 0

    def run(self) -> None:
        """Answer. Raises PeerGone only; everything else becomes a 500 or an aborted connection."""
        result: Iterable[Any] | None = None
        try:
            result = self._service.app(self._environ, self.start_response)
            self._send_result(result)
            self._finish()
        except PeerGone:
            self.aborts = True
        except BrokenBody as error:
            self._answer_broken_body(error)
        except _CutShort as error:
            self.aborts = True
            self._log_failure("response-cut-short", str(error))
        except Exception as error:  # noqa: BLE001 - the application may raise anything
            self._answer_failure(error)
        finally:
            self._close_result(result)

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None
    ) -> Any:  # Any: PEP 3333's write()
        """Note the status and headers; they are sent with the first byte of the body."""
        if exc_info is not None:
            try:
                if self.started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # PEP 3333: no cycle through the traceback
        elif self._head is not None:
            raise BadResponse("start_response was called twice")
        self._head = check_head(status, headers)
        return self._write

    def _send_result(self, result: Iterable[Any]) -> None:
        if isinstance(result, FileBody):
            self._send(result)
            return
        if isinstance(result, (list, tuple)) and len(result) == 1:
            self._send_only(result[0])
            return
        for piece in result:
            if piece:
                self._send(piece)
                if self._request.method == "HEAD":
                    return  # what follows is not sent either

    def _send_only(self, piece: Any) -> None:
        """Send a response that is one piece: its length is known even if nobody said it."""
        head = self._head
        if not len(piece):
            return  # to HEAD it says nothing; otherwise _finish announces no bytes
        if head is not None and head.content_length is None and not self.started:
            head.content_length = len(piece)
        self._send(piece)

    def _write(self, piece: bytes) -> None:
        if piece:
            self._send(piece)

    def _send(self, piece: bytes | FileBody) -> None:
        if not isinstance(piece, (bytes, FileBody)):
            raise BadResponse("the application yields something else than bytes")
        if self.started:
            self._send_piece(b"", piece)
            return
        head = self._head
        if head is None:
            raise BadResponse("start_response was not called before the first byte")
        if head.content_length is not None and len(piece) > head.content_length:
            raise BadResponse("the body is longer than its Content-Length")
        self._send_piece(self._begin(head), piece)

    def _send_piece(self, first: bytes, piece: bytes | FileBody) -> None:
        if self._left is not None:
            if len(piece) > self._left:
                raise _CutShort("the body is longer than its Content-Length")
            self._left -= len(piece)
        if self._head is None or self._head.has_no_body or self._request.method == "HEAD":
            self._left = None
            if first:
                self._wire.send(first, self._stall)
            return
        self.sent_body_bytes += len(piece)
        if isinstance(piece, FileBody):
            self._send_file(first, piece)
            return
        if self._chunked:
            first += b"%x\r\n" % len(piece)
        if len(piece) <= _JOIN_UP_TO:
            last = b"\r\n" if self._chunked else b""
            self._wire.send(b"".join((first, piece, last)), self._stall)
            return
        if first:
            self._wire.send(first, self._stall)
        self._wire.send(piece, self._stall)
        if self._chunked:
            self._wire.send(b"\r\n", self._stall)

    def _send_file(self, first: bytes, piece: FileBody) -> None:
        if self._chunked:
            first += b"%x\r\n" % len(piece)
        if first:
            self._wire.send(first, self._stall)
        if self._wire.send_file(piece, self._stall) != piece.count:
            raise _CutShort("the file ended before its announced length")
        if self._chunked:
            self._wire.send(b"\r\n", self._stall)

    def _finish(self) -> None:
        head = self._head
        if head is None:
            raise BadResponse("start_response was never called")
        if not self.started:
            nothing_due = head.has_no_body or self._request.method == "HEAD"
            if not nothing_due:
                if head.content_length:
                    raise BadResponse("the body is shorter than its Content-Length")
                head.content_length = 0
            self._wire.send(self._begin(head), self._stall)
            self._left = None if nothing_due else self._left
        if self._left:
            raise _CutShort("the body is shorter than its Content-Length")
        if self._chunked:
            self._wire.send(b"0\r\n\r\n", self._stall)

    def _begin(self, head: ResponseHead) -> bytes:
        """Decide how the body is framed and whether the connection lasts; join the head."""
        request = self._request
        self.started = True
        self.status = head.code
        lines = head.lines
        self._left = head.content_length
        if head.content_length is not None:
            if head.code != 204:  # RFC 9110 §8.6
                lines += f"Content-Length: {head.content_length}\r\n"
        elif not head.has_no_body and request.method != "HEAD":
            if request.is_http11:
                self._chunked = True
                lines += "Transfer-Encoding: chunked\r\n"
            else:
                self.closes = True  # only the end of the stream can end this body
        if head.closes or self._body_forbids_more() or self._service.is_draining:
            self.closes = True
        if self.closes:
            lines += "Connection: close\r\n"
        elif not request.is_http11:
            lines += "Connection: keep-alive\r\n"
        return self._service.join_head(head, lines, self._environ["wsgi.url_scheme"] == "https")

    def _body_forbids_more(self) -> bool:
        """Tell whether the rest of the request's body is not worth reading, or can't be trusted.

        A client that waits for `100 Continue` and sees a final status may send the body or not
        (RFC 9110 §10.1.1), so the next bytes could be either: nothing may follow.
        """
        body = self.body
        if body.finished:
            return False
        left = body.known_left
        return (
            body.broken is not None
            or body.awaits_continue
            or (left is not None and left > DRAIN_BYTES)
        )

    def _answer_broken_body(self, error: BrokenBody) -> None:
        """The application let it pass: that is the client's fault and no error of ours."""
        environ = self._environ
        self._service.note_refusal(
            error.kind,
            address=environ["REMOTE_ADDR"],
            request_id=environ["davserver.request_id"],
            status=error.status,
        )
        if self.started:
            self.aborts = True
            return
        self._answer_plainly(error.status, error.message)

    def _answer_failure(self, error: Exception) -> None:
        self._log_failure("application-failed", type(error).__name__, error)
        if self.started:
            self.aborts = True
            return
        reference = self._environ["davserver.request_id"]
        self._answer_plainly(
            500, f"Something went wrong here. The log knows more under {reference}."
        )

    def _answer_plainly(self, status: int, sentence: str) -> None:
        text = sentence.encode()
        head = check_head(
            f"{status} {REASONS[status]}",
            [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("X-Request-Id", self._environ["davserver.request_id"]),
            ],
        )
        head.content_length = len(text)
        self._head = head
        self.closes = True
        try:
            first = self._begin(head)
            self._send_piece(first, text)
        except PeerGone:
            self.aborts = True

    def _log_failure(self, event: str, detail: str, error: Exception | None = None) -> None:
        _LOG.error(
            event,
            exc_info=error,
            extra={
                "request_id": self._environ["davserver.request_id"],
                "detail": detail,
                "method": self._service.known_method(self._request.method),
            },
        )

    def _close_result(self, result: Iterable[Any] | Iterator[Any] | None) -> None:
        close = getattr(result, "close", None)
        if close is None:
            return
        try:
            close()
        except Exception as error:  # noqa: BLE001 - the reply is out; only the log can tell
            self._log_failure("close-failed", type(error).__name__, error)
