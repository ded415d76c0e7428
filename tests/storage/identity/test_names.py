import pytest

from storage.errors import Invalid
from storage.identity.names import clean_name


def cleaned(text):
    return clean_name(text, what="A label", field="label")


@pytest.mark.parametrize(
    "text",
    ["x", "x" * 64, "Mary's laptop", "Größe", "📱" * 64, "👩\u200d💻", "🏴\U000e0067\U000e007f",
     "می\u200cخواهم", "電話", "a\u00a0b", "<b>&amp;</b>", "=1+1"],
)  # fmt: skip
def test_a_name_is_kept_as_typed(text):
    assert cleaned(text) == text


def test_blanks_around_a_name_are_taken_off():
    assert cleaned(" \u00a0Phone\t\n") == "Phone"


def test_a_decomposed_name_is_composed():
    assert cleaned("Gro\u0308ße") == "Größe"


@pytest.mark.parametrize(
    "text",
    ["", "   ", "x" * 65, "\u200d", "\u200b\u2060", "a\nb", "a\rb", "a\x00b", "a\x1b[2Jb",
     "a\x7fb", "a\x9bb", "a\u2028b", "a\u202eb", "a\u2066b", "a\ud800b"],
    ids=ascii,
)  # fmt: skip
def test_a_name_that_can_not_be_shown_as_typed_is_refused(text):
    with pytest.raises(Invalid) as refusal:
        cleaned(text)
    assert refusal.value.field == "label"


def test_the_refusal_says_what_a_name_may_be():
    with pytest.raises(Invalid, match=r"^A label has 1 to 64 characters that can be seen;"):
        cleaned("")
