import bcrypt
import pytest

from storage.errors import Invalid
from storage.identity.passwords import FOR_TESTS, PRODUCTION, hash_password, is_right_password

PASSWORD = "correct horse battery"
HALF_CHARACTER = b"\xff".decode(errors="surrogateescape") + "x" * 20


@pytest.fixture
def hashed(chance):
    def hash_cheaply(password):
        return hash_password(password, random=chance, profile=FOR_TESTS)

    return hash_cheaply


def test_the_right_password_is_right(hashed):
    assert is_right_password(PASSWORD, hashed(PASSWORD))


@pytest.mark.parametrize(
    "wrong",
    ["", "Correct horse battery", PASSWORD + "x", PASSWORD[:-1], PASSWORD + "\0", "x" * 73,
     HALF_CHARACTER],
    ids=ascii,
)  # fmt: skip
def test_another_password_is_wrong(hashed, wrong):
    assert not is_right_password(wrong, hashed(PASSWORD))


def test_bcrypt_itself_accepts_our_hash(hashed):
    assert bcrypt.checkpw(PASSWORD.encode(), hashed(PASSWORD).encode())


def test_we_accept_a_hash_that_bcrypt_salted_itself():
    theirs = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    assert is_right_password(PASSWORD, theirs)


@pytest.mark.parametrize(
    "seed", [bytes(16), b"\xff" * 16, bytes(range(16)), b"\x80" + bytes(14) + b"\x01"]
)
def test_a_salt_is_spelled_as_bcrypt_spells_it(seed):
    made = hash_password(PASSWORD, random=lambda count: seed[:count], profile=FOR_TESTS)
    assert made.encode() == bcrypt.hashpw(PASSWORD.encode(), made[:29].encode())


def test_a_salt_holds_all_the_chance_it_was_given(chance):
    letters = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    seed = chance(16)
    made = hash_password(PASSWORD, random=lambda _count: seed, profile=FOR_TESTS)
    number = 0
    for letter in made[7:29]:
        number = number << 6 | letters.index(letter)
    assert (number >> 4).to_bytes(16) == seed


def test_one_password_is_hashed_differently_each_time(hashed):
    assert hashed(PASSWORD) != hashed(PASSWORD)


def test_a_hash_fits_its_column(hashed):
    assert len(hashed("x" * 72)) == 60


@pytest.mark.parametrize(("profile", "start"), [(PRODUCTION, "$2b$12$"), (FOR_TESTS, "$2b$04$")])
def test_a_profile_says_how_slow_it_is(chance, profile, start):
    assert hash_password(PASSWORD, random=chance, profile=profile).startswith(start)


def test_without_a_profile_hashing_is_slow(chance):
    assert hash_password(PASSWORD, random=chance).startswith("$2b$12$")


@pytest.mark.parametrize("password", ["x" * 12, "ü" * 12, "📱" * 12, "x" * 72, "ü" * 36, "📱" * 18])
def test_a_password_within_the_limits_is_accepted(hashed, password):
    assert is_right_password(password, hashed(password))


@pytest.mark.parametrize("password", ["", "x" * 11, "📱" * 11])
def test_a_password_of_less_than_12_characters_is_refused(hashed, password):
    with pytest.raises(Invalid, match="at least 12 characters"):
        hashed(password)


@pytest.mark.parametrize("password", ["x" * 73, "ü" * 37, "📱" * 19, "x" * 71 + "ü"])
def test_a_password_of_more_than_72_bytes_is_refused_not_cut(hashed, password):
    with pytest.raises(Invalid, match="at most 72 bytes"):
        hashed(password)


def test_what_a_cut_would_have_let_in_is_wrong(hashed):
    assert not is_right_password("x" * 73, hashed("x" * 72))


@pytest.mark.parametrize("password", ["\0" + PASSWORD, PASSWORD + "\0", HALF_CHARACTER], ids=ascii)
def test_a_password_that_other_programs_would_read_otherwise_is_refused(hashed, password):
    with pytest.raises(Invalid, match="text in UTF-8, without a NUL"):
        hashed(password)


def test_a_refusal_does_not_repeat_the_password(hashed):
    for password in ("planted", "planted" * 11, "planted words\0"):
        with pytest.raises(Invalid) as refusal:
            hashed(password)
        assert "planted" not in str(refusal.value)
        assert refusal.value.field == "password"
