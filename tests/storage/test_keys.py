import errno
import os
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import Misconfigured, Unreadable
from storage.key_file import add_key, create_key_file, load_keyring
from storage.keys import (
    Key,
    Keyring,
    Place,
    new_key,
    seal,
    sealing_key_id,
    unseal,
)
from storage.randomness import system_random
from storage.sections import SecretsConfig

KEY = Key("k1", bytes(range(32)))
OTHER_KEY = Key("k2", bytes(range(1, 33)))
KEYRING = Keyring(KEY)
PLACE = Place("totp_secrets", "secret", "7")
ENCODED = b64encode(KEY.secret).decode()
NEVER = datetime(2026, 3, 1, tzinfo=UTC)


def sealed_by(keyring, plaintext=b"attack at dawn"):
    return seal(keyring, plaintext, place=PLACE, random=system_random)


def key_file(tmp_path, text, mode=0o600):
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def load(path):
    return load_keyring(SecretsConfig(key_file=path))


def refusal(path):
    with pytest.raises(Misconfigured) as refused:
        load(path)
    return refused.value.message


# --- Sealing ----------------------------------------------------------------------------------


@given(st.binary(max_size=4096))
def test_what_was_sealed_comes_back(plaintext):
    assert unseal(KEYRING, sealed_by(KEYRING, plaintext), place=PLACE) == plaintext


@pytest.mark.parametrize(
    "place",
    [
        Place("stored_secrets", "secret", "7"),
        Place("totp_secrets", "sealed", "7"),
        Place("totp_secrets", "secret", "8"),
    ],
    ids=["table", "column", "row"],
)
def test_what_was_moved_can_not_be_read(place):
    with pytest.raises(Unreadable):
        unseal(KEYRING, sealed_by(KEYRING), place=place)


places = st.builds(Place, table=st.text(), column=st.text(), row=st.text())


@given(places, places)
def test_no_two_places_share_an_encoding(one, other):
    assert (one.as_bytes() == other.as_bytes()) == (one == other)


@given(st.text(), st.text(min_size=1), st.text())
def test_letters_that_move_to_the_next_word_make_another_place(table, moved, row):
    one, other = Place(table + moved, "", row), Place(table, moved, row)
    assert one.as_bytes() != other.as_bytes()


SEALED = seal(KEYRING, b"attack at dawn", place=PLACE, random=lambda count: bytes(count))


@given(st.integers(0, len(SEALED.encode()) * 8 - 1))
def test_a_flipped_bit_anywhere_makes_it_unreadable(bit):
    flipped = bytearray(SEALED.encode())
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unreadable):
        unseal(KEYRING, flipped.decode("latin-1"), place=PLACE)


@given(st.integers(0, len(SEALED)), st.sampled_from(" \n=-_A.!é"))
def test_a_letter_added_anywhere_makes_it_unreadable(index, letter):
    with pytest.raises(Unreadable):
        unseal(KEYRING, SEALED[:index] + letter + SEALED[index:], place=PLACE)


@given(st.integers(0, len(SEALED) - 1))
def test_a_cut_text_is_unreadable(length):
    with pytest.raises(Unreadable):
        unseal(KEYRING, SEALED[:length], place=PLACE)


@given(st.text())
def test_a_foreign_text_is_unreadable(text):
    with pytest.raises(Unreadable):
        unseal(KEYRING, text, place=PLACE)


def test_a_sealed_text_names_its_algorithm_and_key():
    assert sealed_by(KEYRING).split(".")[:2] == ["A256GCM", "k1"]


def test_a_sealed_text_does_not_hold_the_plaintext():
    assert "attack" not in sealed_by(KEYRING)


def test_no_two_sealed_texts_are_equal():
    assert len({sealed_by(KEYRING) for _ in range(100)}) == 100


# --- Several keys -----------------------------------------------------------------------------


def test_an_old_key_still_opens_after_a_new_one_leads():
    sealed = sealed_by(KEYRING)
    assert unseal(Keyring(OTHER_KEY, (KEY,)), sealed, place=PLACE) == b"attack at dawn"


def test_the_leading_key_seals():
    assert sealing_key_id(sealed_by(Keyring(OTHER_KEY, (KEY,)))) == "k2"


def test_a_key_that_is_not_at_hand_is_named():
    with pytest.raises(Unreadable) as refused:
        unseal(Keyring(OTHER_KEY), sealed_by(KEYRING), place=PLACE)
    assert refused.value.message == (
        "A stored secret was sealed by the key 'k1', which is not at hand."
    )


def test_another_key_of_the_same_name_does_not_open():
    with pytest.raises(Unreadable) as refused:
        unseal(Keyring(Key("k1", OTHER_KEY.secret)), sealed_by(KEYRING), place=PLACE)
    assert refused.value.message == "A stored secret was changed, or moved from its place."


def test_the_key_of_a_foreign_text_can_not_be_told():
    with pytest.raises(Unreadable):
        sealing_key_id("nothing of ours")


def test_a_key_shows_none_of_its_bytes():
    key = Key("k1", b"hunter2hunter2hunter2hunter2hunt")
    assert "hunter2" not in f"{key!r} {key!s} {Keyring(key, (key,))!r}"


def test_new_keys_differ():
    assert new_key(system_random, NEVER).secret != new_key(system_random, NEVER).secret


def test_a_new_key_is_named_after_its_day():
    assert new_key(lambda count: bytes(count), NEVER).key_id == "k20260301-000000"


# --- The key file -----------------------------------------------------------------------------


def test_a_new_key_file_can_be_loaded(tmp_path):
    key = new_key(system_random, NEVER)
    create_key_file(tmp_path / "keys", key)
    assert load(tmp_path / "keys").active == key


def test_a_new_key_file_is_its_owners_alone(tmp_path):
    create_key_file(tmp_path / "keys", KEY)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_the_folder_of_a_new_key_file_is_its_owners_alone(tmp_path):
    create_key_file(tmp_path / "new" / "keys", KEY)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_key_file_is_never_overwritten(tmp_path):
    path = key_file(tmp_path, "precious")
    with pytest.raises(Misconfigured) as refused:
        create_key_file(path, KEY)
    assert (path.read_text(), refused.value.message) == (
        "precious",
        f"There is a key file {path} already; it was left as it is.",
    )


def test_a_link_to_nowhere_is_not_followed(tmp_path):
    (tmp_path / "keys").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misconfigured):
        create_key_file(tmp_path / "keys", KEY)
    assert not (tmp_path / "elsewhere").exists()


def test_a_refused_key_file_leaves_nothing_beside_the_old_one(tmp_path):
    path = key_file(tmp_path, "precious")
    with pytest.raises(Misconfigured):
        create_key_file(path, KEY)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_key_file_that_can_not_be_written_whole_is_not_there(tmp_path, monkeypatch):
    def full_disk(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(Misconfigured, match="No space left"):
        create_key_file(tmp_path / "keys", KEY)
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_in_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured) as refused:
        create_key_file(tmp_path / "file" / "keys", KEY)
    assert refused.value.message == f"{tmp_path}/file is not a folder, so no key fits there."


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644], ids=oct)
def test_a_key_file_that_others_can_reach_is_refused(tmp_path, mode):
    path = key_file(tmp_path, f"k1 {ENCODED}", mode)
    assert refusal(path) == f"The key file {path} can be read by others. Run: chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400], ids=oct)
def test_a_key_file_that_only_its_owner_reads_is_taken(tmp_path, mode):
    assert load(key_file(tmp_path, f"k1 {ENCODED}", mode)).active == KEY


def test_the_first_key_of_a_file_leads(tmp_path):
    other = b64encode(OTHER_KEY.secret).decode()
    path = key_file(tmp_path, f"# newest\nk2 {other}\n\nk1 {ENCODED} # older\n")
    assert load(path) == Keyring(OTHER_KEY, (KEY,))


@pytest.mark.parametrize(
    "encoded",
    ["-_" * 21 + "8", "+/" * 21 + "8", "+/" * 21 + "8="],
    ids=["url-safe", "plain", "padded"],
)
def test_a_key_may_come_in_either_alphabet(tmp_path, encoded):
    assert load(key_file(tmp_path, f"k1 {encoded}")).active.secret == (
        b"\xfb\xff\xbf" * 10 + b"\xfb\xff"
    )


LINE_FORM = "a line is a name and 32 bytes in base64."
BAD_LINES = {
    "no-key": "k1",
    "three-words": f"k1 {ENCODED} x",
    "too-short": "k1 AAAA",
    "too-long": f"k1 {ENCODED.rstrip('=')}AAAA",
    "not-base64": f"k1 {'!' * 44}",
    "junk-inside": f"k1 {ENCODED[:20]}!!!!{ENCODED[20:]}",
    "name-with-a-dot": f"k.1 {ENCODED}",
    "name-too-long": f"{'k' * 33} {ENCODED}",
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_line_that_is_no_key_is_refused(tmp_path, line):
    path = key_file(tmp_path, f"# comment\n{line}\n")
    assert refusal(path) == f"The key file {path}, line 2: {LINE_FORM}"


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_no_refusal_repeats_a_key(tmp_path, line):
    assert ENCODED[:20] not in refusal(key_file(tmp_path, line))


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    path = key_file(tmp_path, f"k1 {ENCODED}\nk1 {ENCODED}\n")
    assert refusal(path) == f"The key file {path}, line 2: the name k1 is there twice."


def test_an_empty_key_file_is_refused(tmp_path):
    path = key_file(tmp_path, "# nothing\n")
    assert refusal(path) == f"The key file {path} holds no key."


def test_a_missing_key_file_is_refused(tmp_path):
    path = tmp_path / "none"
    assert refusal(path) == (
        f"There is no key file {path}. Make one with: davserver keys new {path}"
    )


def test_a_folder_in_place_of_the_key_file_is_refused(tmp_path):
    assert refusal(tmp_path) == f"The key file {tmp_path} can't be read: Is a directory."


def test_a_key_file_that_is_not_text_is_refused(tmp_path):
    path = key_file(tmp_path, "")
    path.write_bytes(b"\xff")
    assert refusal(path) == f"The key file {path} is not text."


# --- Keys from the environment ----------------------------------------------------------------


def test_keys_may_come_from_the_environment():
    other = b64encode(OTHER_KEY.secret).decode()
    keyring = load_keyring(SecretsConfig(keys=f"k1:{ENCODED},k2:{other}"))
    assert keyring == Keyring(KEY, (OTHER_KEY,))


def test_bad_keys_from_the_environment_are_refused():
    with pytest.raises(Misconfigured) as refused:
        load_keyring(SecretsConfig(keys="hunter2"))
    assert refused.value.message == f"[secrets] keys, line 1: {LINE_FORM}"


# --- A further key ------------------------------------------------------------------------------


def test_an_added_key_leads_and_the_others_stay(tmp_path):
    create_key_file(tmp_path / "keys", KEY)
    add_key(tmp_path / "keys", OTHER_KEY)
    assert load(tmp_path / "keys") == Keyring(OTHER_KEY, (KEY,))


def test_a_file_with_an_added_key_is_its_owners_alone(tmp_path):
    create_key_file(tmp_path / "keys", KEY)
    add_key(tmp_path / "keys", OTHER_KEY)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_where_there_are_no_hard_links_a_key_file_is_made_all_the_same(tmp_path, monkeypatch):
    def no_links(_path, _target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.hardlink_to", no_links)
    create_key_file(tmp_path / "keys", KEY)
    assert load(tmp_path / "keys").active == KEY
