"""A whole story with planted secrets, and then a search through all that it left behind."""

import base64
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.running_server import eventually, serving

CHOSEN_PASSWORD = "planted horse battery staple"
STRANGERS_SECRET = "dsync_" + "Planted7" * 4 + "abcdef"
API_TOKEN = "tm_live_" + "Planted8" * 5
BASIC = base64.b64encode(f"alice@example.org:{STRANGERS_SECRET}".encode()).decode()
URL_SECRET = "plantedInTheAddress"

_SHOWN_ONCE = re.compile(r'(?:password |device |Password: |only now: |"password": ") *([\w-]{20,})')
_RUN_ONE = "main(['--config', 'davserver.toml', *words], standalone_mode=False)"


@dataclass
class Story:
    """What was printed and logged, which secrets were made or sent, and where data is kept."""

    folder: Path
    texts: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    def run(self, *commands, stdin=""):
        """Run commands one after the other in a process of their own."""
        code = f"from davserver.cli import main\nfor words in {commands!r}: {_RUN_ONE}"
        result = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.folder, capture_output=True, text=True, timeout=60, input=stdin, check=True,
        )  # fmt: skip
        self._note(result.stdout, result.stderr)

    def serve(self):
        """Start the server, and knock with every secret in every place."""
        with serving(self.folder, "--config", "davserver.toml") as server:
            for secret in [STRANGERS_SECRET, API_TOKEN, *self.secrets]:
                for authorization in (f"Basic {BASIC}", f"Bearer {secret}", secret):
                    server.ask("/dav/files/", Authorization=authorization, Cookie=f"s={secret}")
                server.ask(f"/dav/files/?token={URL_SECRET}&password={secret}")
                server.ask(f"/{secret}", method="PROPFIND")
            (self.folder / "data/blobs").rename(self.folder / "away")
            eventually(
                lambda: (
                    server.ask(
                        f"/readyz?secret={URL_SECRET}", Authorization=f"Bearer {secret}"
                    ).status
                    == 503
                )
            )
            (self.folder / "away").rename(self.folder / "data/blobs")
            server.stop()
        self._note(server.stdout, server.stderr)

    def _note(self, stdout, stderr):
        self.texts += [stdout, stderr]
        self.secrets += [s for s in _SHOWN_ONCE.findall(stdout) if s not in self.secrets]

    def stored_bytes(self):
        files = [path for path in (self.folder / "data").rglob("*") if path.is_file()]
        return b"".join(path.read_bytes() for path in files if path.suffix != ".keys")


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    story = Story(tmp_path_factory.mktemp("story"))
    (story.folder / "davserver.toml").write_text('[log]\nlevel = "debug"\n')
    story.serve()
    create, issue = ("account", "create"), ("device", "issue", "--account", "home", "--label")
    chosen = ("--owner", "alice@example.org", "--password-stdin")
    lines = f"{CHOSEN_PASSWORD}\n" * 2
    story.run((*create, "one", *chosen), (*create, "again", *chosen), stdin=lines)
    story.run(
        (*create, "two", "--owner", "bob@example.org"),
        (*create, "three", "--owner", "carol@example.org", "--json"),
        (*issue, "Phone"),
        (*issue, "Kiosk", "--json"),
        ("device", "revoke", "--account", "home", "2", "--json"),
    )
    story.serve()
    looking = (
        ("account", "list"), ("device", "list", "--account", "home"), ("audit", "tail"),
        ("audit", "export"), ("audit", "verify"), ("config", "show"), ("keys", "status"),
        ("doctor",), ("db", "status"),
    )  # fmt: skip
    story.run(*looking, *((*words, "--json") for words in looking))
    story.run(("audit", "export", "--format", "csv"))
    return story


def test_the_story_was_told_to_its_end(story):
    assert len(story.secrets) == 6  # two of the first start, two passwords, two devices
    assert "signs in to another account already" in "".join(story.texts)
    assert "device:secret:revoked" in "".join(story.texts)


def test_a_secret_that_was_made_is_shown_once_and_never_again(story):
    everything = "".join(story.texts)
    assert [everything.count(secret) for secret in story.secrets] == [1] * len(story.secrets)


@pytest.mark.parametrize(
    "secret", [CHOSEN_PASSWORD, STRANGERS_SECRET, API_TOKEN, BASIC, URL_SECRET]
)
def test_a_secret_that_was_sent_is_shown_nowhere(story, secret):
    assert secret not in "".join(story.texts)


def test_no_hash_of_a_password_is_shown(story):
    assert not re.search(r"\$2[aby]\$\d\d\$", "".join(story.texts))


def test_no_key_is_shown(story):
    line = (story.folder / "data/davserver.keys").read_text().splitlines()[-1]
    assert line.split()[1] not in "".join(story.texts)


def test_no_secret_is_stored(story):
    stored = story.stored_bytes()
    for secret in [*story.secrets, CHOSEN_PASSWORD, STRANGERS_SECRET, API_TOKEN, URL_SECRET]:
        assert secret.encode() not in stored
