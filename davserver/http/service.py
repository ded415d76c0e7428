"""What all connections of one server share: settings, application, meter, log, header blocks.

Made once by `server.HttpServer`; nothing here belongs to one connection or one request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from davserver.http.access_log import AccessLog, log_refusal
from davserver.http.bodies import BodyLimits
from davserver.http.metrics import KNOWN_METHODS, Meter
from davserver.http.proxies import TrustedProxies
from davserver.http.refusals import REASONS, Refused
from davserver.http.response_head import ResponseHead, check_head
from davserver.http.security_headers import SecurityHeaders
from davserver.http.wire import Pace, Patience
from storage.clock import http_date
from storage.randomness import RandomBytes, system_random
from storage.sections import ServerConfig

_RETRY_AFTER_SECONDS = 5

WsgiApp = Callable[..., Iterable[Any]]
"""PEP 3333's application. Any: it yields bytes or a FileBody."""


@dataclass
class Service:
    """The shared parts. `is_draining` turns true once, when the server is told to stop."""

    app: WsgiApp
    settings: ServerConfig
    meter: Meter
    patience: Patience
    access_log: AccessLog | None
    random: RandomBytes = system_random
    multiprocess: bool = False
    is_draining: bool = False
    server_name: str = "localhost"
    server_port: str = ""
    proxies: TrustedProxies = field(init=False)
    body_limits: BodyLimits = field(init=False)
    pace: Pace = field(init=False)
    security: SecurityHeaders = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.proxies = TrustedProxies(settings.trusted_proxies, settings.forwarded_header)
        self.security = SecurityHeaders(settings.hsts)
        self.pace = Pace(settings.min_body_bytes_per_second, settings.body_rate_window_seconds)
        self.body_limits = BodyLimits(
            idle_seconds=settings.body_timeout_seconds,
            least_bytes_per_second=settings.min_body_bytes_per_second,
            rate_window_seconds=settings.body_rate_window_seconds,
            write_seconds=settings.write_timeout_seconds,
        )

    def note_refusal(
        self,
        reason: str,
        *,
        address: str | None,
        request_id: str | None = None,
        status: int | None = None,
    ) -> None:
        """Count a refusal and write its one line."""
        self.meter.refused(reason)
        if self.access_log is not None:
            log_refusal(reason, address=address, request_id=request_id, status=status)

    def refusal_reply(self, refusal: Refused, request_id: str, *, over_tls: bool) -> bytes:
        """Return the whole reply to a request that the floor itself refuses."""
        text = f"{refusal.sentence}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("X-Request-Id", request_id)]
        if refusal.status == 503:
            headers.append(("Retry-After", str(_RETRY_AFTER_SECONDS)))
        head = check_head(f"{refusal.status} {REASONS[refusal.status]}", headers)
        lines = f"{head.lines}Content-Length: {len(text)}\r\nConnection: close\r\n"
        return self.join_head(head, lines, over_tls) + text

    def known_method(self, method: str) -> str:
        """Return the method, or OTHER: what a client makes up never becomes a label or a line."""
        return method if method in KNOWN_METHODS else "OTHER"

    def join_head(self, head: ResponseHead, lines: str, over_tls: bool) -> bytes:
        """Return the whole head of a response, ready to be sent."""
        date = "" if head.has_date else f"Date: {http_date()}\r\n"
        security = self.security.lines(
            is_page=head.is_page, over_tls=over_tls, already=head.security
        )
        return (
            f"HTTP/1.1 {head.status}\r\n{lines}{security}{date}Server: davserver\r\n\r\n"
        ).encode("latin-1")
