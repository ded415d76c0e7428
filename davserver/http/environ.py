"""The WSGI environ (PEP 3333), built directly: a template per connection, few keys per request.

Stock cheroot keeps header names in their own dictionary and folds them again, which is half of its
time per request. Past this file nobody decodes a path or believes a forwarded header.
Tests: tests/davserver/http/test_target.py, test_proxies.py.
"""

from __future__ import annotations

import io
import logging
from typing import Any

from davserver.http.parser import Head, is_host
from davserver.http.proxies import Forwarded
from davserver.http.refusals import Refused
from davserver.http.target import decode_path, split_target

_LOG = logging.getLogger("davserver.http.application")

Environ = dict[str, Any]  # Any: PEP 3333 leaves the values to the key


class _ErrorStream(io.TextIOBase):
    """`wsgi.errors`: what a library writes there becomes lines of our log."""

    def write(self, text: str) -> int:
        if line := text.rstrip():
            _LOG.warning("%s", line)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


_ERRORS = _ErrorStream()


def connection_environ(
    *, server_name: str, server_port: str, address: str, port: int | None, multiprocess: bool
) -> Environ:
    """Return what is the same for every request of one connection."""
    return {
        "SERVER_NAME": server_name,
        "SERVER_PORT": server_port,
        "SERVER_SOFTWARE": "davserver",
        "SCRIPT_NAME": "",
        "REMOTE_ADDR": address,
        "REMOTE_PORT": "" if port is None else str(port),
        "davserver.peer": address,
        "wsgi.version": (1, 0),
        "wsgi.errors": _ERRORS,
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": multiprocess,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": "http",
    }


def add_request(environ: Environ, head: Head) -> None:
    """Add method, target and version. Raises Refused for a target that names nothing clean.

    `davserver.path` is the path as text, PATH_INFO the same in PEP 3333's disguise.
    """
    raw, query, _, authority = split_target(head.method, head.target)
    path = raw if raw == "*" else decode_path(raw)
    if authority is not None:
        if not is_host(authority):
            raise Refused(400, "target", "The address in the request line names no host.")
        environ["HTTP_HOST"] = authority  # RFC 9112 §3.2.2: Host is ignored then
    environ["REQUEST_METHOD"] = head.method
    environ["REQUEST_URI"] = head.target
    environ["QUERY_STRING"] = query
    environ["SERVER_PROTOCOL"] = "HTTP/1.1" if head.is_http11 else "HTTP/1.0"
    environ["davserver.path"] = path
    environ["PATH_INFO"] = path if path.isascii() else path.encode().decode("latin-1")


def believe(environ: Environ, said: Forwarded) -> None:
    """Put a trusted proxy's word in the place of what the connection shows."""
    if said.address is not None:
        environ["REMOTE_ADDR"] = said.address
        environ["REMOTE_PORT"] = ""
    if said.scheme is not None:
        environ["wsgi.url_scheme"] = said.scheme
        environ.pop("HTTPS", None)
        if said.scheme == "https":
            environ["HTTPS"] = "on"
    if said.host is not None:
        environ["HTTP_HOST"] = said.host
