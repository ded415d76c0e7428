import ssl
import stat
import subprocess
import tomllib

import pytest

from storage.certificates import read_certificate
from tests.running_server import serving


def test_the_printed_settings_start_a_server_that_curl_trusts(command_line):
    made = command_line("dev-certificate", command_line.folder / "tls")
    settings = [line for line in made.stdout.splitlines() if line.startswith("tls_")]
    config = command_line.folder / "tls.toml"
    config.write_text("\n".join(["[server]", *settings]))
    certificate = tomllib.loads(config.read_text())["server"]["tls_certificate"]
    with serving(command_line.folder, "--config", config) as server:
        address = f"https://127.0.0.1:{server.port}/healthz"
        result = subprocess.run(
            ["curl", "--silent", "--show-error", "--include", "--cacert", certificate, address],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    assert result.stdout.startswith("HTTP/1.1 200 ")
    assert "Strict-Transport-Security: max-age=" in result.stdout


def test_the_certificate_is_for_this_machine_unless_told_otherwise(command_line):
    made = command_line.json("dev-certificate", command_line.folder)
    assert made["names"] == ["localhost", "127.0.0.1", "::1"]
    certificate = read_certificate(
        command_line.folder / "certificate.pem", command_line.folder / "key.pem"
    )
    assert set(certificate.hosts) == set(made["names"])


def test_names_can_be_chosen(command_line):
    command_line("dev-certificate", "--name", "drive.example.org", "--name", "192.0.2.7")
    certificate = read_certificate(
        command_line.folder / "certificate.pem", command_line.folder / "key.pem"
    )
    assert certificate.hosts == ("drive.example.org", "192.0.2.7")


def test_a_very_long_name_is_no_hindrance(command_line):
    name = f"{'a' * 60}.{'b' * 60}.example.org"
    assert command_line("dev-certificate", "--name", name).exit_code == 0


@pytest.mark.parametrize("name", ["two words", "ä.example.org", "", "a..b", "http://a.example"])
def test_what_is_no_host_is_refused_with_one_sentence(command_line, name):
    result = command_line("dev-certificate", "--name", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"davserver: {name!r} is neither a host name nor an address.\n"
    assert not (command_line.folder / "key.pem").exists()


def test_the_key_is_for_its_owner_only(command_line):
    command_line("dev-certificate")
    assert stat.S_IMODE((command_line.folder / "key.pem").stat().st_mode) == 0o600


def test_the_certificate_is_for_everybody(command_line):
    command_line("dev-certificate")
    assert stat.S_IMODE((command_line.folder / "certificate.pem").stat().st_mode) == 0o644


@pytest.mark.parametrize("name", ["certificate.pem", "key.pem"])
def test_nothing_is_written_over(command_line, name):
    path = command_line.folder / name
    path.write_text("precious")
    result = command_line("dev-certificate", command_line.folder)
    assert result.exit_code == 1
    assert result.stderr == f"davserver: {path} is there already; nothing was written.\n"
    assert path.read_text() == "precious"
    assert len({"certificate.pem", "key.pem"} & set(listed(command_line.folder))) == 1


def test_a_place_that_can_hold_no_file_is_one_sentence(command_line):
    (command_line.folder / "file").write_text("")
    result = command_line("dev-certificate", "file/folder")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


def test_the_key_is_not_printed(command_line):
    output = command_line("dev-certificate").output
    assert "PRIVATE" not in output


def test_the_certificate_is_trusted_by_whom_it_is_given_to(command_line):
    command_line("dev-certificate")
    ssl.create_default_context(cafile=command_line.folder / "certificate.pem")


def listed(folder):
    return [path.name for path in folder.iterdir()]
