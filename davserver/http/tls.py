"""TLS: modern settings, handshakes taken in steps by workers, certificates swapped while running.

Stock cheroot shakes hands in the selector's thread (#748, #709), where one silent peer freezes all,
and reads its certificate once. Tests: tests/davserver/http/test_tls.py.
"""

from __future__ import annotations

import io
import socket
import ssl
from pathlib import Path
from typing import Any, Literal

from cheroot.ssl import Adapter

from storage.errors import Misconfigured

# Forward secrecy and authenticated encryption only (TLS 1.2; all of TLS 1.3 is like that).
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsAdapter(Adapter):
    """Holds the context for new connections. Connections keep the one that they began with."""

    def __init__(self, certificate: Path, key: Path, minimum: Literal["1.2", "1.3"]) -> None:
        super().__init__(str(certificate), str(key))
        self._minimum = minimum
        self.context: ssl.SSLContext = self._make_context()

    def reload(self) -> None:
        """Read the files again. Raises Misconfigured and keeps the old ones if they don't work."""
        self.context = self._make_context()

    def bind(self, sock: socket.socket) -> socket.socket:
        """Leave the listening socket as it is."""
        return sock

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, Any]]:
        """Put TLS around a non-blocking socket, without a handshake. Any: environ values."""
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {}

    def get_environ(self, sock: ssl.SSLSocket | None = None) -> dict[str, Any]:
        """Return what a request's environ says about its connection. Any: environ values."""
        environ = {"wsgi.url_scheme": "https", "HTTPS": "on"}
        cipher = None if sock is None else sock.cipher()
        if cipher is not None:
            environ["SSL_CIPHER"], environ["SSL_PROTOCOL"] = cipher[0], cipher[1]
        return environ

    def makefile(self, sock: ssl.SSLSocket, mode: str = "r", bufsize: int = -1) -> io.IOBase:
        """Refuse: our connections read and write through `wire.Wire`."""
        raise NotImplementedError

    def _make_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self._minimum]
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        try:
            # A key with a password would be asked for on the terminal, where nobody may sit.
            context.load_cert_chain(self.certificate, self.private_key, password=lambda: "")
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                f"The certificate {self.certificate} or its key {self.private_key} "
                f"can't be used: {error.strerror or error}."
            ) from None
        return context


def has_spoken_plain(error: OSError) -> bool:
    """Tell whether a handshake failed because the peer speaks plain HTTP."""
    return isinstance(error, ssl.SSLError) and error.reason == "HTTP_REQUEST"
