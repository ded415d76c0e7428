"""A WebDAV client that calls the WSGI application in this process, and reads what it answers."""

from __future__ import annotations

import base64
import gzip
import io
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from lxml import etree

from davserver.http.target import decode_path

D = "{DAV:}"
PATCH_BODY = (
    b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x/></D:prop></D:set></D:propertyupdate>'
)


@dataclass
class Reply:
    """What was answered. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    raw: bytes

    def __getitem__(self, name: str) -> str:
        return self.headers[name.lower()]

    @cached_property
    def body(self) -> bytes:
        packed = self.headers.get("content-encoding") == "gzip"
        return gzip.decompress(self.raw) if packed else self.raw

    @cached_property
    def xml(self) -> Any:
        return etree.fromstring(self.body)

    @property
    def hrefs(self) -> list[str]:
        return [element.findtext(f"{D}href") for element in self.xml.iter(f"{D}response")]

    @property
    def condition(self) -> str | None:
        """The DAV:error's condition, by its local name."""
        found = [child.tag for child in self.xml if child.tag.startswith(D)]
        return found[0].removeprefix(D) if found else None

    def props(self, href: str | None = None) -> dict[str, Any]:
        """The elements with status 200 of one response; of the only one without an href."""
        return {element.tag: element for element in self._elements(href, "200")}

    def missing(self, href: str | None = None) -> list[str]:
        return [element.tag for element in self._elements(href, "404")]

    def statuses(self) -> dict[str, int]:
        """Every property of the only response with its status."""
        return {
            element.tag: int(status)
            for status in ("200", "403", "404", "409", "424", "507")
            for element in self._elements(None, status)
        }

    def text(self, name: str, href: str | None = None) -> str:
        return self.props(href)[name if name.startswith("{") else D + name].text or ""

    def _elements(self, href: str | None, status: str) -> list[Any]:
        responses = list(self.xml.iter(f"{D}response"))
        if href is None:
            assert len(responses) == 1, self.hrefs
        chosen = [it for it in responses if href in (None, it.findtext(f"{D}href"))]
        return [
            element
            for response in chosen
            for propstat in response.findall(f"{D}propstat")
            if propstat.findtext(f"{D}status").split()[1] == status
            for element in propstat.find(f"{D}prop")
        ]


class Torn(io.RawIOBase):
    """A body that breaks off, as the server's floor tells of it."""

    def __init__(self, content: bytes, error: Exception) -> None:
        self._content = io.BytesIO(content)
        self._error = error

    def read(self, size: int = -1) -> bytes:
        if data := self._content.read(size):
            return data
        raise self._error


@dataclass
class Dav:
    """One device's client. Addresses are relative to `base` unless they begin with a slash."""

    app: Any
    secret: str | None
    base: str = "/dav/files/account/"
    peer: str = "127.0.0.1"
    scheme: str = "http"

    def at(self, base: str) -> Dav:
        return replace(self, base=base)

    def __call__(
        self, method: str, address: str = "", body: Any = b"", *, is_chunked: bool = False,
        **headers: str,
    ) -> Reply:  # fmt: skip
        environ = self._environ(method, address, body, is_chunked)
        for name, value in headers.items():
            key = name.upper()
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        started: list[Any] = []

        def start_response(status: str, listed: list[tuple[str, str]], _: Any = None) -> Any:
            started[:] = [int(status[:3]), {name.lower(): value for name, value in listed}]

        result = self.app(environ, start_response)
        try:
            content = b"".join(result)
        finally:
            if hasattr(result, "close"):
                result.close()
        status, answered = started
        if "content-length" in answered and method != "HEAD" and status != 304:
            assert int(answered["content-length"]) == len(content)
        return Reply(status, answered, content)

    def _environ(self, method: str, address: str, body: Any, is_chunked: bool) -> dict[str, Any]:
        target = address if address.startswith("/") else self.base + address
        source = io.BytesIO(body) if isinstance(body, bytes) else body
        environ = {
            "REQUEST_METHOD": method,
            "davserver.path": decode_path(target),
            "davserver.request_id": "0123456789abcdef",
            "davserver.peer": self.peer,
            "davserver.is_forwarded": False,
            "REMOTE_ADDR": self.peer,
            "HTTP_HOST": "localhost",
            "wsgi.url_scheme": self.scheme,
            "wsgi.input": source,
        }
        if isinstance(body, bytes) and not is_chunked:
            environ["CONTENT_LENGTH"] = str(len(body))
        if self.secret is not None:
            pair = base64.b64encode(f"anyone:{self.secret}".encode()).decode()
            environ["HTTP_AUTHORIZATION"] = f"Basic {pair}"
        return environ

    # The usual acts, each of which must succeed.

    def put(self, address: str, body: bytes = b"content", **headers: str) -> Reply:
        return self._done(self("PUT", address, body, **headers), 201, 204)

    def mkcol(self, address: str) -> Reply:
        return self._done(self("MKCOL", address), 201)

    def get(self, address: str, **headers: str) -> bytes:
        return self._done(self("GET", address, **headers), 200, 206).body

    def propfind(self, address: str = "", *names: str, depth: str = "0", **headers: str) -> Reply:
        body = prop_body(*names) if names else b""
        return self._done(self("PROPFIND", address, body, depth=depth, **headers), 207)

    def members(self, address: str = "") -> list[str]:
        base = (self.base + address).rstrip("/") + "/"
        hrefs = self.propfind(address, "resourcetype", depth="1").hrefs
        return [href.removeprefix(base) for href in hrefs[1:]]

    def lock(self, address: str, *, scope: str = "exclusive", **headers: str) -> str:
        reply = self._done(self("LOCK", address, lock_body(scope), **headers), 200, 201)
        return reply["Lock-Token"].strip("<>")

    def proppatch(self, address: str, inner: str, **headers: str) -> Reply:
        body = f'<D:propertyupdate xmlns:D="DAV:">{inner}</D:propertyupdate>'.encode()
        return self("PROPPATCH", address, body, **headers)

    def etag(self, address: str) -> str:
        return self._done(self("HEAD", address), 200)["ETag"]

    @staticmethod
    def _done(reply: Reply, *statuses: int) -> Reply:
        assert reply.status in statuses, (reply.status, reply.body)
        return reply


def prop_body(*names: str) -> bytes:
    elements = "".join(_empty(name) for name in names)
    return f'<D:propfind xmlns:D="DAV:"><D:prop>{elements}</D:prop></D:propfind>'.encode()


def _empty(name: str) -> str:
    if not name.startswith("{"):
        return f"<D:{name}/>"
    namespace, _, local = name[1:].partition("}")
    return f'<x:{local} xmlns:x="{namespace}"/>'


def lock_body(scope: str = "exclusive", owner: str = "<D:href>me</D:href>") -> bytes:
    return (
        f'<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:{scope}/></D:lockscope>'
        f"<D:locktype><D:write/></D:locktype><D:owner>{owner}</D:owner></D:lockinfo>"
    ).encode()
