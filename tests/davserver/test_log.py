import io
import json
import logging

import pytest
from sqlalchemy import text

from davserver.log import configure_logging, request_context
from storage.errors import StoreError
from storage.sections import LogConfig

SECRET = "dsync_" + "Ab3" * 12 + "zz"
FORMS = pytest.mark.parametrize("form", ["json", "text"])

logger = logging.getLogger("storage.somewhere")


class Log(io.StringIO):
    """A stream that may say of itself that it is a terminal."""

    def __init__(self, *, is_terminal=False):
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self):
        return self._is_terminal

    @property
    def lines(self):
        return self.getvalue().splitlines()

    @property
    def events(self):
        return [json.loads(line) for line in self.lines]


def logging_to(form, *, level="debug", is_terminal=False):
    log = Log(is_terminal=is_terminal)
    configure_logging(LogConfig(format=form, level=level), stream=log)
    return log


class Broken:
    def __str__(self):
        raise RuntimeError(f"with {SECRET}")

    __repr__ = __str__


class Bottomless:
    def __str__(self):
        return str(self)


def test_a_terminal_gets_lines_for_people():
    log = logging_to("auto", is_terminal=True)
    logger.warning("the disk is full")
    assert "the disk is full" in log.lines[0]
    assert not log.lines[0].startswith("{")


def test_what_is_no_terminal_gets_json():
    log = logging_to("auto")
    logger.warning("the disk is %s", "full", extra={"free_bytes": 12})
    [event] = log.events
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "the disk is full",
        "level": "warning",
        "logger": "storage.somewhere",
        "free_bytes": 12,
    }


def test_what_is_below_the_level_is_not_written():
    log = logging_to("json", level="warning")
    logger.info("hello")
    assert log.lines == []


@FORMS
def test_a_line_carries_the_id_of_its_request(form):
    log = logging_to(form)
    with request_context("0123456789abcdef"):
        logger.info("hello")
    assert "0123456789abcdef" in log.lines[0]


def test_lines_of_the_storage_modules_carry_the_id_too(database):
    log = logging_to("json")
    with request_context("0123456789abcdef"):
        database.engine.pool.logger.warning("from below")
        logging.getLogger("storage.db").debug("from here")
    assert [event["request_id"] for event in log.events] == ["0123456789abcdef"] * 2


def test_a_line_outside_of_the_request_carries_no_id():
    log = logging_to("json")
    with request_context("0123456789abcdef"):
        pass
    logger.info("hello")
    assert "request_id" not in log.events[0]


@FORMS
@pytest.mark.parametrize(
    "call",
    [
        lambda: logger.info("with %s", SECRET),
        lambda: logger.info(f"with {SECRET}"),  # noqa: G004
        lambda: logger.info("hello", extra={"about": SECRET}),
        lambda: logger.info("hello", extra={"about": {"deep": [{"down": (SECRET,)}]}}),
        lambda: logger.info("hello", extra={SECRET: 1}),
        lambda: logger.info("hello", extra={"error": ValueError(SECRET)}),
        lambda: logger.info("hello", extra={"body": SECRET.encode()}),
        lambda: logger.info("hello", extra={"broken": Broken()}),
        lambda: logger.info("hello %s", Broken()),
        lambda: logger.info("hello %d", SECRET),
        lambda: logger.info("hello %s %s", SECRET),
    ],
    ids=["argument", "message", "extra", "nested", "name", "exception", "bytes",
         "broken extra", "broken argument", "wrong format", "too few arguments"],
)  # fmt: skip
def test_no_secret_comes_out(form, call):
    log = logging_to(form)
    call()
    assert len(log.lines) == 1
    assert SECRET[6:] not in log.getvalue()


@FORMS
def test_no_secret_comes_out_of_a_traceback(form):
    log = logging_to(form)
    try:
        try:
            raise ValueError(f"cause: {SECRET}")
        except ValueError as error:
            raise StoreError(f"effect: Authorization: Bearer {SECRET}") from error
    except StoreError:
        logger.exception("a request failed")
    assert "StoreError" in log.getvalue()
    assert SECRET[6:] not in log.getvalue()


@FORMS
@pytest.mark.parametrize("name", ["password", "new_password", "secret", "authorization"])
def test_a_value_that_is_called_a_secret_does_not_come_out(form, name):
    log = logging_to(form)
    logger.info("hello", extra={name: "plain words"})
    assert "plain words" not in log.getvalue()


@FORMS
def test_no_value_of_a_statement_comes_out(form, database):
    log = logging_to(form)
    with pytest.raises(Exception, match="no_such"):
        database.read(
            lambda tx: tx.connection.execute(
                text("SELECT no_such FROM accounts WHERE name = :name"), {"name": "planted words"}
            )
        )
    try:
        database.read(
            lambda tx: tx.connection.execute(
                text("SELECT no_such FROM accounts WHERE name = :name"), {"name": "planted words"}
            )
        )
    except Exception:
        logger.exception("a statement failed")
    assert "no_such" in log.getvalue()
    assert "planted words" not in log.getvalue()


@FORMS
def test_the_rows_that_a_statement_brings_do_not_come_out(form, sqlite_database_config):
    from storage.db import Database

    log = logging_to(form)
    database = Database(sqlite_database_config)
    database.read(lambda tx: tx.connection.execute(text("SELECT 'planted words'")).one())
    database.close()
    assert "planted words" not in log.getvalue()


@FORMS
@pytest.mark.parametrize("forged", ["\n", "\r", "\r\n", "\x0b", "\x85", "\u2028", "\x1b[1A\x1b[2K"])
@pytest.mark.parametrize(
    "call",
    [
        lambda hostile: logger.info("name: %s", hostile),
        lambda hostile: logger.info("name", extra={"name_of_it": hostile}),
        lambda hostile: logger.info("name", extra={"names": [hostile]}),
        lambda hostile: logger.info("name", extra={hostile: 1}),
    ],
    ids=["message", "extra", "nested", "field"],
)
def test_a_hostile_value_can_not_forge_a_line(form, forged, call):
    log = logging_to(form)
    call(f"a{forged}2026-03-01T12:00:00Z [critical] all is lost")
    assert len(log.lines) == 1
    assert log.lines[0].isprintable()


def test_a_hostile_exception_can_not_forge_a_line():
    log = logging_to("text")
    try:
        raise ValueError("a\n2026-03-01T12:00:00Z [critical] all is lost\x1b[2K")
    except ValueError:
        logger.exception("a request failed")
    first, *traceback = log.lines
    assert "a request failed" in first
    assert all(line == "" or line.startswith("  ") for line in traceback)
    assert "\x1b" not in log.getvalue()


@FORMS
@pytest.mark.parametrize(
    "call",
    [
        lambda: logger.info("hello %d", "words"),
        lambda: logger.info("hello %s", Broken()),
        lambda: logger.info("hello %s", Bottomless()),
    ],
    ids=["wrong format", "broken argument", "bottomless argument"],
)
def test_a_broken_call_is_named_and_breaks_nothing(form, call):
    log = logging_to(form)
    call()
    assert "could not be written; its call stands at test_log.py:" in log.lines[0]


@FORMS
def test_a_field_that_can_not_be_shown_does_not_cost_the_line(form):
    log = logging_to(form)
    logger.info("hello", extra={"broken": Broken(), "half": "\ud800", "no_number": float("nan")})
    assert "hello" in log.lines[0]
    assert "Broken" in log.lines[0]


@FORMS
def test_a_stream_that_nobody_reads_any_more_breaks_nothing(form):
    log = logging_to(form)
    log.close()
    logger.info("hello")


@FORMS
def test_setting_up_twice_doubles_no_line(form):
    logging_to(form)
    log = logging_to(form)
    logger.info("hello")
    assert len(log.lines) == 1


def test_setting_up_again_changes_the_form():
    former = logging_to("text")
    log = logging_to("json")
    logger.info("hello")
    assert former.lines == []
    assert log.events[0]["event"] == "hello"
