import inspect
import re

import pytest

from storage import errors
from storage.errors import BadCredentials, StoreError, TooManyAttempts, Unavailable

CLASSES = [one for _, one in inspect.getmembers(errors, inspect.isclass)]


def test_the_tree_in_the_docstring_is_the_tree_of_the_code():
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__)
    assert sorted(drawn) == sorted(one.__name__ for one in CLASSES if one is not StoreError)


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.__name__)
def test_every_error_is_one_of_ours(one):
    assert issubclass(one, StoreError)


def test_bad_credentials_never_tell_why():
    assert "revoked" not in str(BadCredentials("the device was revoked"))


def test_bad_credentials_keep_the_reason_for_the_log():
    assert BadCredentials("the device was revoked").reason == "the device was revoked"


@pytest.mark.parametrize("error", [TooManyAttempts, Unavailable])
@pytest.mark.parametrize(("asked", "said"), [(-1, 1), (0, 1), (1, 1), (60, 60)])
def test_nobody_is_told_to_come_back_at_once(error, asked, said):
    assert error("wait", retry_after_seconds=asked).retry_after_seconds == said
