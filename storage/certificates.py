"""TLS certificates as files: whom and until when one is for, whether its key fits; making one.

Beside `keys.py` the one module that imports cryptography: a certificate is neither a signing nor a
sealing key of ours.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from storage.errors import AlreadyExists, Invalid, Misconfigured

# Longer ones are refused by Apple's clients, also when a person trusts them by hand.
_VALID_DAYS = 397
_LONGEST_COMMON_NAME = 64  # RFC 5280, ub-common-name; what counts is the alternative names


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


def write_self_signed(certificate: Path, key: Path, *, names: Sequence[str], now: datetime) -> None:
    """Write a certificate for `names` (hosts or addresses), and its key for our eyes only.

    Raises AlreadyExists rather than replace a file, and Invalid for a name that is no host's.
    """
    for path in (certificate, key):
        if path.exists():
            raise AlreadyExists(f"{path} is there already; nothing was written.")
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    private_key = ec.generate_private_key(ec.SECP256R1())
    common_name = names[0] if len(names[0]) <= _LONGEST_COMMON_NAME else "davserver"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # for clocks that are a little behind
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private_key, hashes.SHA256())
    )
    _write_new(
        key,
        private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        mode=0o600,
    )
    _write_new(certificate, made.public_bytes(Encoding.PEM), mode=0o644)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    labels = name.removeprefix("*.").split(".")
    if not name.isascii() or not all(label.replace("-", "a").isalnum() for label in labels):
        raise Invalid(f"{name!r} is neither a host name nor an address.", field="name")
    return x509.DNSName(name)


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # since we looked
        raise AlreadyExists(f"{path} is there already; it was not replaced.") from None
    except OSError as error:
        raise Misconfigured(f"{path} can't be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask says: a certificate is for everybody
        file.write(content)
