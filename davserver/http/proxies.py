"""Who the client is when a proxy stands between, and only when that proxy is ours.

Stock cheroot lets any client set `X-Forwarded-For`, also as `X_Forwarded_For`. The parser keeps
these headers out of the environ; here the trusted peer's ones become REMOTE_ADDR, the scheme and
the host, and nothing above ever sees the headers. Tests: tests/davserver/http/test_proxies.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal, NamedTuple

from davserver.http.parser import is_host

UNIX_PEER = "unix"
_MOST_HOPS = 32
_PAIR = re.compile(
    r"\s*(for|by|host|proto)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([!#$%&'*+\-.^_`|~0-9A-Za-z]+))\s*",
    re.IGNORECASE,
).fullmatch


class Forwarded(NamedTuple):
    """What the proxy said; None where it said nothing that makes sense."""

    address: str | None
    scheme: str | None
    host: str | None


class TrustedProxies:
    """The configured peers whose word about the client counts."""

    def __init__(
        self, networks: Iterable[str], family: Literal["x-forwarded", "forwarded"]
    ) -> None:
        names = list(networks)
        self._trusts_unix = UNIX_PEER in names
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(name) for name in names if name != UNIX_PEER
        ]
        self._reads = _read_forwarded if family == "forwarded" else _read_x_forwarded

    def trusts(self, peer: str) -> bool:
        """Tell whether `peer`, an address or UNIX_PEER, is one of ours."""
        if peer == UNIX_PEER:
            return self._trusts_unix
        address = plain_address(peer)
        if address is None:
            return False
        return any(ip_address(address) in network for network in self._networks)

    def read(self, headers: dict[str, str]) -> Forwarded:
        """Return what a trusted peer says about the client.

        Addresses are walked from the nearest hop outwards and the first one that is not a trusted
        proxy is the client: everything further left is the client's own invention.
        """
        hops, scheme, host = self._reads(headers)
        client: str | None = None
        for hop in reversed(hops[-_MOST_HOPS:]):
            address = plain_address(hop)
            if address is None:
                break
            client = address
            if not self.trusts(address):
                break
        scheme = scheme.lower() if scheme is not None else None
        return Forwarded(
            client,
            scheme if scheme in ("http", "https") else None,
            host if host is not None and is_host(host) else None,
        )


def plain_address(text: str) -> str | None:
    """Return an IP address without port, brackets and IPv4 mapping; None if it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


_Said = tuple[list[str], str | None, str | None]


def _read_x_forwarded(headers: dict[str, str]) -> _Said:
    return (
        _items(headers.get("HTTP_X_FORWARDED_FOR")),
        _last(headers.get("HTTP_X_FORWARDED_PROTO")),
        _last(headers.get("HTTP_X_FORWARDED_HOST")),
    )


def _read_forwarded(headers: dict[str, str]) -> _Said:
    """Read RFC 7239. A malformed element ends the walk, as an unknown hop does."""
    hops: list[str] = []
    said: dict[str, str] = {}
    for element in _items(headers.get("HTTP_FORWARDED")):
        said = {}
        for part in element.split(";"):
            match = _PAIR(part)
            if match is not None:
                value = match[2] if match[2] is not None else match[3]
                said[match[1].lower()] = re.sub(r"\\(.)", r"\1", value)
        hops.append(said.get("for", ""))
    return hops, said.get("proto"), said.get("host")


def _items(text: str | None) -> list[str]:
    return [item.strip() for item in text.split(",")] if text else []


def _last(text: str | None) -> str | None:
    items = _items(text)
    return items[-1] if items else None
