"""TLS certificates as files: whom and until when one is for, and whether its key fits."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from storage.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says of itself: the hosts that it is for, and when it holds."""

    hosts: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime

    def covers(self, host: str) -> bool:
        """Tell whether clients will take it for `host`. A star stands for one label, the first."""
        host = host.lower()
        _, dot, rest = host.partition(".")
        return host in self.hosts or (dot + rest != "" and f"*.{rest}" in self.hosts)


def read_certificate(certificate: Path, key: Path) -> Certificate:
    """Read a certificate, and prove that its key fits.

    Raises Misconfigured when one of the files can't be used, or they do not belong together.
    """
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as error:
            raise Misconfigured(f"{path} can't be read: {error.strerror}.") from None
    try:
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError:
        raise Misconfigured(f"{certificate} is no certificate in PEM form.") from None
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # A key with a password would be asked for on the terminal, where nobody may sit.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Misconfigured(f"The key {key} does not belong to {certificate}.") from None
        raise Misconfigured(
            f"{key} is no private key in PEM form, or a password protects it."
        ) from None
    return Certificate(_hosts(loaded), loaded.not_valid_before_utc, loaded.not_valid_after_utc)


def _hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    domains = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return (*domains, *addresses)
