"""The security headers of every response, WebDAV and errors included (T37, F2).

What fits depends on the kind: a page may show what its own origin serves, everything else is
sealed, so that a file in somebody's drive that happens to be HTML can't act as a page of ours. A
header that the application set wins. Test: tests/davserver/http/test_security_headers.py.
"""

from __future__ import annotations

_PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "camera", "display-capture", "geolocation", "gyroscope",
        "magnetometer", "microphone", "midi", "payment", "usb",
    )
)  # fmt: skip

_EVERYWHERE = (
    ("x-content-type-options", "X-Content-Type-Options: nosniff\r\n"),
    ("referrer-policy", "Referrer-Policy: no-referrer\r\n"),
    ("permissions-policy", f"Permissions-Policy: {_PERMISSIONS}\r\n"),
    ("cross-origin-resource-policy", "Cross-Origin-Resource-Policy: same-origin\r\n"),
)
_SEALED = "Content-Security-Policy: default-src 'none'; sandbox; frame-ancestors 'none'\r\n"
_PAGE = (
    "Content-Security-Policy: default-src 'none'; img-src 'self'; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'\r\n"
)
SECURITY_NAMES = frozenset(
    [name for name, _ in _EVERYWHERE] + ["content-security-policy", "strict-transport-security"]
)


class SecurityHeaders:
    """The blocks of header lines, joined once at the start; `hsts` is the value or empty."""

    def __init__(self, hsts: str) -> None:
        self._hsts = f"Strict-Transport-Security: {hsts}\r\n" if hsts else ""
        self._whole = {
            (page, tls): self._lines(page, tls, frozenset())
            for page in (False, True)
            for tls in (False, True)
        }

    def lines(self, *, is_page: bool, over_tls: bool, already: frozenset[str] | None) -> str:
        """Return the header lines to add; `already` are the lower-case names that are set."""
        if not already:
            return self._whole[is_page, over_tls]
        return self._lines(is_page, over_tls, already)

    def _lines(self, is_page: bool, over_tls: bool, already: frozenset[str]) -> str:
        lines = [line for name, line in _EVERYWHERE if name not in already]
        if "content-security-policy" not in already:
            lines.append(_PAGE if is_page else _SEALED)
        if over_tls and "strict-transport-security" not in already:
            lines.append(self._hsts)
        return "".join(lines)
