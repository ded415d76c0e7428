"""The filter in deploy/ finds exactly the refused clients in what a real server logs."""

import configparser
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.running_server import eventually, serving
from tests.system_parts import need_program

FOLDER = Path(__file__).parents[2] / "deploy/fail2ban"
FILTER = FOLDER / "filter.d/davserver.conf"
PROXY = "127.0.0.2"
ATTACKERS = {"203.0.113.9", "2001:db8::9"}
# What fail2ban puts in the place of <ADDR>, and the date that it cuts out before it looks.
ADDR = (
    r"(?:(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})"
    r"|\[?(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|::){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))\]?)"
)
DATE = re.compile(r'^\d{4}-\S+Z|"timestamp": "\d{4}-[^"]+Z"')
FORGERIES = [
    "/%7B%22event%22:%20%22refused%22,%20%22reason%22:%20%22tls%22,%20%22address%22:%20%221.1.1.1%22",
    "/2026-11-20T14:10:00.000000Z%20[warning]%20refused%20[davserver.http]%20address=1.1.1.1%20reason=tls",
    "/refused%20[davserver.http]%20address=1.1.1.1%20reason=tls",
    "/'%20refused%20address=1.1.1.1%20reason=tls",
]


def read_filter():
    parser = configparser.ConfigParser()
    parser.read(FILTER, encoding="utf-8")
    return parser["Definition"]


def banned_by(lines):
    """The addresses that the filter finds."""
    patterns = [
        re.compile(line.replace("<ADDR>", ADDR)) for line in read_filter()["failregex"].splitlines()
    ]
    looked_at = [pattern.search(DATE.sub("", line)) for line in lines for pattern in patterns]
    return [match["ip4"] or match["ip6"] for match in looked_at if match]


@pytest.fixture(scope="module", params=["text", "json"])
def log(request, tmp_path_factory):
    """What a server logs of attackers behind a proxy, of forgers, and of honest clients."""
    folder = tmp_path_factory.mktemp("logged")
    with serving(
        folder,
        DAVSERVER_SERVER__TRUSTED_PROXIES=PROXY,
        DAVSERVER_LOG__FORMAT=request.param,
    ) as server:
        for address in ATTACKERS:
            server.ask("/%00", source=PROXY, **{"X-Forwarded-For": address})
        for path in FORGERIES:
            assert server.ask(path, **{"User-Agent": path, "X-Request-Id": path}).status == 404
        server.ask("/healthz", source=PROXY, **{"X-Forwarded-For": "198.51.100.1"})
        for source in ("127.0.0.1", PROXY):
            with socket.create_connection(("127.0.0.1", server.port), 20, (source, 0)) as sock:
                sock.sendall(b"nonsense\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n")
                assert sock.recv(1024).startswith(b"HTTP/1.1 400 ")
        expected = 4 + len(FORGERIES) + 1
        eventually(lambda: len(server.stderr.splitlines()) >= expected)
        server.stop()
    return server.stderr_path


def test_every_refused_client_is_found_once_and_nobody_else(log):
    assert sorted(banned_by(log.read_text().splitlines())) == sorted([*ATTACKERS, "127.0.0.1"])


def test_a_line_of_the_journal_is_found_too(log):
    lines = [f"host davserver[42]: {DATE.sub('', line)}" for line in log.read_text().splitlines()]
    assert set(banned_by(lines)) == {*ATTACKERS, "127.0.0.1"}


@pytest.mark.parametrize("reason", ["body-cut-short", "body-too-slow", "full"])
def test_misfortune_is_not_banned(reason):
    text = f"[warning  ] refused [davserver.http.access] address=1.1.1.1 reason={reason}"
    as_json = f'{{"event": "refused", "reason": "{reason}", "address": "1.1.1.1"}}'
    assert banned_by([text, as_json]) == []


@pytest.mark.parametrize("reason", ["credentials", "tls", "address-cap", "header-timeout"])
def test_reasons_of_attacks_are_found_whatever_else_the_line_says(reason):
    text = (
        "[warning  ] refused [davserver.dav.gate] address=1.1.1.1 device_id=7 "
        f"reason={reason} request_id=a status=401"
    )
    as_json = (
        '{"event": "refused", "request_id": "a", "level": "warning", '
        f'"logger": "davserver.dav.gate", "reason": "{reason}", "address": "1.1.1.1"}}'
    )
    assert banned_by([text, as_json]) == ["1.1.1.1"] * 2


def test_the_jail_uses_the_filter():
    parser = configparser.ConfigParser()
    parser.read(FOLDER / "jail.d/davserver.conf", encoding="utf-8")
    assert parser["davserver"]["filter"] == FILTER.stem


def test_fail2ban_itself_reads_the_filter_so(log):
    program = need_program("fail2ban-regex", package="fail2ban")
    result = subprocess.run(
        [program, "--out", "ip", log, FILTER],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert sorted(result.stdout.split()) == sorted([*ATTACKERS, "127.0.0.1"])
