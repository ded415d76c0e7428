import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.randomness import (
    is_well_formed_secret,
    new_blob_key,
    new_password,
    new_request_id,
    new_secret,
    random_base62,
    system_random,
)

PREFIX = "dsync_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET = new_secret(Random(20260301).randbytes, PREFIX)
SHAPE = re.compile(r"dsync_[0-9A-Za-z]{32}[0-9A-Za-z]{6}")


def test_the_system_gives_as_many_bytes_as_asked_for():
    assert len(system_random(37)) == 37


def test_the_system_does_not_repeat_itself():
    assert system_random(16) != system_random(16)


def test_every_letter_is_about_as_likely(chance):
    # 6200 draws: each of 62 letters is expected 100 times, give or take 10; 60 is 4 of those.
    counts = Counter(random_base62(chance, 6200))
    assert all(60 <= counts[letter] <= 140 for letter in ALPHABET)


def test_no_letter_is_favoured_by_the_highest_bytes():
    # 248 to 255 would come out as 0 to 7 once more; they must be thrown away.
    every_byte = bytes(range(256))
    drawn = random_base62(lambda count: every_byte, 248)
    assert set(Counter(drawn).values()) == {4}


@pytest.mark.parametrize("length", [0, 1, 32, 1000])
def test_a_text_is_as_long_as_asked_for(length):
    assert len(random_base62(system_random, length)) == length


def test_a_secret_has_a_prefix_a_body_and_a_checksum():
    assert SHAPE.fullmatch(SECRET)


def test_a_secret_is_pinned_by_its_chance():
    secret = new_secret(lambda count: bytes(count), PREFIX)
    assert secret == "dsync_" + "0" * 32 + "3yaBbG"


def test_a_new_secret_is_well_formed():
    assert is_well_formed_secret(SECRET, PREFIX)


def test_no_two_secrets_are_equal():
    assert len({new_secret(system_random, PREFIX) for _ in range(100)}) == 100


@given(st.integers(0, len(SECRET) - 1), st.characters())
def test_every_typo_of_one_letter_is_caught(index, letter):
    typo = SECRET[:index] + letter + SECRET[index + 1 :]
    assert is_well_formed_secret(typo, PREFIX) == (typo == SECRET)


@given(st.integers(0, len(SECRET) - 1), st.sampled_from(ALPHABET))
def test_every_other_letter_of_ours_is_caught(index, letter):
    typo = SECRET[:index] + letter + SECRET[index + 1 :]
    assert is_well_formed_secret(typo, PREFIX) == (typo == SECRET)


@given(st.integers(0, len(SECRET) - 2))
def test_two_neighbours_that_change_places_are_caught(index):
    typo = SECRET[:index] + SECRET[index + 1] + SECRET[index] + SECRET[index + 2 :]
    assert is_well_formed_secret(typo, PREFIX) == (typo == SECRET)


@given(st.integers(0, len(SECRET)), st.characters())
def test_a_letter_too_many_is_caught(index, letter):
    assert not is_well_formed_secret(SECRET[:index] + letter + SECRET[index:], PREFIX)


@given(st.integers(0, len(SECRET) - 1))
def test_a_letter_too_few_is_caught(index):
    assert not is_well_formed_secret(SECRET[:index] + SECRET[index + 1 :], PREFIX)


@given(st.text())
def test_a_foreign_text_is_no_secret(text):
    assert not is_well_formed_secret(text, PREFIX)


def forged(body):
    """A text of the right length whose checksum fits, as somebody who read the code makes it."""
    from storage.randomness import _checksum

    return f"{PREFIX}{body}{_checksum(PREFIX + body)}"


@pytest.mark.parametrize(
    "secret",
    [
        SECRET.replace("dsync_", "dsync-"),
        SECRET.replace("dsync_", "DSYNC_"),
        f" {SECRET}",
        f"{SECRET}\n",
        SECRET[:-1] + "é",
        SECRET[:-1] + "０",
        new_secret(Random(1).randbytes, "other_"),
        forged("-" * 32),
        forged(" " * 32),
        forged("\0" * 32),
    ],
    ids=ascii,
)
def test_what_only_looks_like_a_secret_is_none(secret):
    assert not is_well_formed_secret(secret, PREFIX)


def test_a_forged_checksum_is_what_it_says():
    assert is_well_formed_secret(forged("a" * 32), PREFIX)


def test_a_password_has_five_groups_of_five_that_can_be_read_aloud():
    assert re.fullmatch(r"([a-hjkmnp-z2-9]{5}-){4}[a-hjkmnp-z2-9]{5}", new_password(system_random))


def test_a_blob_key_is_32_hex_characters():
    assert re.fullmatch(r"[0-9a-f]{32}", new_blob_key(system_random))


def test_a_request_id_is_16_hex_characters():
    assert re.fullmatch(r"[0-9a-f]{16}", new_request_id(system_random))
