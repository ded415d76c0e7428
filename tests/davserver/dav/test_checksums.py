import hashlib

import pytest

from davserver.dav.checksums import (
    Algorithm,
    parse_checksums,
    render_checksums,
    render_digest,
    wanted_digest,
)
from storage.errors import Invalid

CONTENT = b"Alice's bytes"
SHA1 = hashlib.sha1(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, {}),
        ("", {}),
        (f"SHA1:{SHA1}", {Algorithm.SHA1: SHA1}),
        (f"sha1:{SHA1.upper()}", {Algorithm.SHA1: SHA1}),
        (f"SHA-256:{SHA256}", {Algorithm.SHA256: SHA256}),
        (f"SHA1:{SHA1} MD5:{MD5}", {Algorithm.SHA1: SHA1, Algorithm.MD5: MD5}),
        (f"MD5:{MD5}, ADLER32:12345678", {Algorithm.MD5: MD5}),
        (f"MD5:{MD5} MD5:{MD5.upper()}", {Algorithm.MD5: MD5}),
        ("CRC32:00 nonsense", {}),
    ],
)
def test_checksums_are_read_in_any_case_and_unknown_ones_left_out(value, found):
    assert parse_checksums(value) == found


@pytest.mark.parametrize(
    "value",
    [
        "SHA1:",
        "SHA1",
        f"SHA1:{MD5}",
        f"MD5:{'g' * 32}",
        f"SHA256:{SHA256}00",
        f"MD5:{MD5} MD5:{'0' * 32}",
    ],
)
def test_a_check_that_can_not_be_made_is_refused(value: str):
    with pytest.raises(Invalid):
        parse_checksums(value)


def test_what_is_rendered_for_listings_can_be_sent_back():
    text = render_checksums(
        sha1=bytes.fromhex(SHA1), md5=bytes.fromhex(MD5), sha256=bytes.fromhex(SHA256)
    )
    assert text == f"SHA1:{SHA1} MD5:{MD5} SHA256:{SHA256}"
    assert set(parse_checksums(text)) == set(Algorithm)


def test_unknown_checksums_are_not_rendered():
    assert render_checksums(md5=bytes.fromhex(MD5)) == f"MD5:{MD5}"
    assert render_checksums() == ""


@pytest.mark.parametrize(
    ("repr_digest", "digest", "wanted"),
    [
        (None, None, None),
        ("sha-256=10", None, ("Repr-Digest", Algorithm.SHA256)),
        ("sha-512=10, sha-256=3, md5=5", None, ("Repr-Digest", Algorithm.MD5)),
        ("sha-256=0", None, None),
        ("sha-256", None, ("Repr-Digest", Algorithm.SHA256)),
        ("sha-256=99", None, None),
        (None, "SHA-256;q=1, md5;q=0.3", ("Digest", Algorithm.SHA256)),
        (None, "md5", ("Digest", Algorithm.MD5)),
        (None, "unixsum", None),
        ("sha-256=1", "md5", ("Repr-Digest", Algorithm.SHA256)),
        ("sha-512=1", "md5", ("Digest", Algorithm.MD5)),
    ],
)
def test_the_heaviest_known_digest_is_wanted(repr_digest, digest, wanted):
    assert wanted_digest(repr_digest, digest) == wanted


def test_digests_have_the_form_of_their_header():
    digests = {Algorithm.SHA256: bytes(32)}
    zeros = "A" * 43 + "="
    assert render_digest("Repr-Digest", Algorithm.SHA256, digests) == f"sha-256=:{zeros}:"
    assert render_digest("Digest", Algorithm.SHA256, digests) == f"SHA-256={zeros}"
