from datetime import UTC, datetime, timedelta

import pytest

from storage.certificates import Certificate, read_certificate
from storage.errors import Misconfigured
from tests.made_certificates import make_certificate


def certificate_for(*hosts):
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return Certificate(hosts=hosts, valid_from=now, valid_until=now)


def refusal_of(certificate, key):
    with pytest.raises(Misconfigured) as refusal:
        read_certificate(certificate, key)
    return refusal.value.message


def test_a_certificate_tells_whom_it_is_for_and_until_when(tmp_path):
    found = read_certificate(*make_certificate(tmp_path, hosts=("a.example", "::1"), days=10))
    assert found.hosts == ("a.example", "::1")
    assert timedelta(days=9) < found.valid_until - datetime.now(UTC) <= timedelta(days=10)
    assert found.valid_from < datetime.now(UTC)


def test_a_chain_is_read_by_its_first_certificate(tmp_path):
    own, key = make_certificate(tmp_path, name="own", hosts=("own.example",))
    above, _ = make_certificate(tmp_path, name="above", hosts=("above.example",))
    own.write_bytes(own.read_bytes() + above.read_bytes())
    assert read_certificate(own, key).hosts == ("own.example",)


def test_another_s_key_is_refused(tmp_path):
    certificate, _ = make_certificate(tmp_path, name="one")
    _, key = make_certificate(tmp_path, name="other")
    assert refusal_of(certificate, key) == f"The key {key} does not belong to {certificate}."


@pytest.mark.parametrize("missing", ["server.crt", "server.key"])
def test_a_file_that_is_not_there_is_named(tmp_path, missing):
    certificate, key = make_certificate(tmp_path)
    (tmp_path / missing).unlink()
    assert refusal_of(certificate, key) == (
        f"{tmp_path / missing} can't be read: No such file or directory."
    )


@pytest.mark.parametrize("content", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_what_is_no_certificate_is_refused(tmp_path, content):
    certificate, key = make_certificate(tmp_path)
    certificate.write_text(content)
    assert refusal_of(certificate, key) == f"{certificate} is no certificate in PEM form."


@pytest.mark.parametrize("content", ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_key_is_refused(tmp_path, content):
    certificate, key = make_certificate(tmp_path)
    key.write_text(content)
    assert refusal_of(certificate, key).startswith(f"{key} is no private key in PEM form")


def test_a_key_with_a_password_is_refused_without_asking_for_it(tmp_path):
    certificate, key = make_certificate(tmp_path, password=b"planted")
    assert refusal_of(certificate, key).endswith("or a password protects it.")


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("drive.example.org", ["drive.example.org"]),
        ("DRIVE.example.org", ["drive.example.org"]),
        ("drive.example.org", ["example.org", "*.example.org"]),
        ("192.0.2.1", ["192.0.2.1"]),
    ],
)
def test_a_certificate_covers_the_hosts_it_names(host, names):
    assert certificate_for(*names).covers(host)


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("drive.example.org", []),
        ("drive.example.org", ["example.org"]),
        ("a.b.example.org", ["*.example.org"]),
        ("example.org", ["*.example.org"]),
        ("example.org", ["*.org.example"]),
        ("localhost", ["*."]),
    ],
)
def test_a_certificate_covers_no_other_host(host, names):
    assert not certificate_for(*names).covers(host)
