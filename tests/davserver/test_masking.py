import base64
from datetime import UTC, datetime

import pytest

from davserver.masking import escape, mask, mask_text
from storage.identity import passwords
from storage.keys import new_key
from storage.randomness import new_password, new_secret

BASIC = base64.b64encode(b"alice@example.org:dsync_x").decode()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nAbCdEf==\n-----END EC PRIVATE KEY-----"
DSYNC = "dsync_" + "Ab3" * 12 + "zz"
TM_LIVE = "tm_live_" + "Qr7" * 12 + "zz"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"signed in with {DSYNC}.", DSYNC[6:]),
        (f"glued{DSYNC}", DSYNC[6:]),
        ("a typo: dsync_Ab3Ab3", "Ab3Ab3"),
        (f"token {TM_LIVE}", TM_LIVE[8:]),
        (f"acme_live_{'x' * 24}", "x" * 24),
        (f"Authorization: Basic {BASIC}", BASIC),
        (f"'HTTP_AUTHORIZATION': 'Basic {BASIC}'", BASIC),
        (f"basic {BASIC}", BASIC),
        (f"Bearer {JWT}", JWT),
        ('Authorization: Digest username="alice", response="6629"', "6629"),
        (f"a session {JWT} ended", JWT.split(".")[2]),
        ("Cookie: a=1; session=planted", "planted"),
        ("Set-Cookie: session=planted; HttpOnly", "planted"),
        ("postgresql://app:planted@db.example.org/drive", "planted"),
        ("postgresql://app:plan@ted/planted@db/drive", "ted"),
        ("https://:planted@host/", "planted"),
        ("password=planted", "planted"),
        ("PGPASSWORD=planted", "planted"),
        ('"password": "two words, planted"', "planted"),
        ("'new_password': 'it\\'s planted'", "planted"),
        ('password = "never closed planted', "planted"),
        ("pwd: planted", "planted"),
        ("passphrase=planted", "planted"),
        ("secret_access_key=planted", "planted"),
        ("AWS_SECRET_ACCESS_KEY: planted", "planted"),
        ("api-key=planted", "planted"),
        ("/dav/files/?access_token=planted&depth=1", "planted"),
        ("https://bucket/x?X-Amz-Signature=planted&X-Amz-Expires=60", "planted"),
        (PEM, "AbCdEf"),
        (PEM[:60], "MHcCAQEE"),
    ],
)
def test_a_secret_in_a_text_becomes_stars(text, secret):
    masked = mask_text(text)
    assert secret not in masked
    assert "********" in masked


def test_whatever_this_house_makes_becomes_stars(chance):
    key = new_key(chance, datetime(2026, 3, 1, tzinfo=UTC))
    key_text = base64.urlsafe_b64encode(key.secret).rstrip(b"=").decode()
    password = new_password(chance)
    password_hash = passwords.hash_password(password, random=chance, profile=passwords.FOR_TESTS)
    device_secret = new_secret(chance, "dsync_")
    masked = mask_text(f"{key.key_id} {key_text} {password} {password_hash} {device_secret}")
    assert masked == f"{key.key_id} ******** ******** ******** dsync_********"


@pytest.mark.parametrize(
    "text",
    [
        "device 7 was issued",
        "device:secret:issued",
        "the sync-token: http://example.org/ns/sync/12",
        "If: (<opaquelocktoken:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>)",
        "Lock-Token: <urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>",
        "http://127.0.0.1:8080/dav/files/a.txt",
        "A password needs at least 12 characters.",
        "blob 0123456789abcdef0123456789abcdef",
        "token_id=7",
        "password_changed=True",
    ],
)
def test_a_text_without_secrets_stays_as_it_is(text):
    assert mask_text(text) == text


@pytest.mark.parametrize("name", ["password", "new_password", "device_secret", "Authorization"])
def test_what_is_called_a_secret_is_one_whatever_it_looks_like(name):
    assert mask({"about": [{name: "plain"}]}) == {"about": [{name: "********"}]}


def test_a_yes_or_no_is_no_secret():
    assert mask({"has_password": True, "password": None}) == {
        "has_password": True,
        "password": None,
    }


@pytest.mark.parametrize(
    "value",
    [
        [f"x {DSYNC}"],
        (f"x {DSYNC}",),
        {f"x {DSYNC}"},
        {f"x {DSYNC}": 1},
        {"a": {"b": [{"c": f"x {DSYNC}"}]}},
        ValueError(f"x {DSYNC}"),
        f"x {DSYNC}".encode(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_secret_inside_a_value_becomes_stars(value):
    assert DSYNC[6:] not in str(mask(value))


def test_a_value_that_holds_itself_comes_to_an_end():
    endless = []
    endless.append(endless)
    assert "…" in str(mask(endless))


def test_a_value_that_can_not_be_shown_is_named_by_its_kind():
    class Broken:
        def __str__(self):
            raise RuntimeError("no")

    assert mask(Broken()) == "<a Broken that can't be shown>"


def test_a_text_longer_than_anybody_reads_is_cut():
    assert len(mask_text("x " * 100_000)) < 20_000


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    ["://a:", "password='", 'password="', "eyJ", "a" * 7, "-----BEGIN PRIVATE KEY-----",
     "authorization: ", "cookie=", "dsync", "abcde-", "bearer ", "secret", "token"],
)  # fmt: skip
def test_no_hostile_text_takes_long(piece):
    mask_text(piece * (400_000 // len(piece)))


def test_an_escaped_text_is_one_line_that_no_terminal_obeys():
    assert escape("a\n\x1b[2J\x85\u2028b") == "a\\n\\x1b[2J\\x85\\u2028b"
