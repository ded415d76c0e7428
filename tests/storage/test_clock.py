from datetime import UTC

from storage.clock import monotonic, sleep, system_clock


def test_the_time_is_in_utc():
    assert system_clock().tzinfo is UTC


def test_time_passes():
    assert system_clock() <= system_clock()


def test_monotonic_seconds_never_go_back():
    assert monotonic() <= monotonic()


def test_a_sleep_is_as_long_as_asked_for():
    before = monotonic()
    sleep(0.01)
    assert monotonic() - before >= 0.01
