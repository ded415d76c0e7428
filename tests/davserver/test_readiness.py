"""What `/readyz` says of the parts below, and how often it looks."""

import threading

import pytest

from davserver.readiness import Readiness
from storage.errors import Unavailable


class Parts:
    """A store of two parts that count how often they are looked at."""

    def __init__(self, failure=None):
        self.failure = failure
        self.looks = 0
        self.blobs = self

    def check_database(self):
        """Answer always."""

    def check(self):
        self.looks += 1
        if self.failure is not None:
            raise self.failure


def test_what_answers_is_ok():
    assert Readiness(Parts()).states() == {"database": "ok", "blobs": "ok"}


@pytest.mark.parametrize("failure", [Unavailable("It is away."), RuntimeError("a bug")], ids=repr)
def test_what_fails_is_away_and_never_our_end(failure):
    assert Readiness(Parts(failure)).states() == {"database": "ok", "blobs": "away"}


def test_an_answer_holds_for_a_moment():
    parts = Parts()
    readiness = Readiness(parts)
    for _ in range(50):
        readiness.states()
    assert parts.looks == 1


def test_an_answer_is_looked_up_again_after_its_moment(monkeypatch):
    monkeypatch.setattr("davserver.readiness._HOLDS_SECONDS", 0.0)
    parts = Parts()
    readiness = Readiness(parts)
    readiness.states()
    parts.failure = Unavailable("It is away.")
    assert readiness.states()["blobs"] == "away"


def test_many_who_ask_at_once_share_one_look():
    parts = Parts()
    readiness = Readiness(parts)
    threads = [threading.Thread(target=readiness.states) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert parts.looks == 1
