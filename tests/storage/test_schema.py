from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import String, cast, delete, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import StatementError

from storage.identity.tables import attempts, plans, retired_addresses
from storage.schema import UtcTime, Words, metadata

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
aware_times = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 (hypothesis adds the zone)
    max_value=datetime(2999, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)


def keep(tx, address, at):
    statement = insert(retired_addresses).values(address=address, retired_at=at)
    return tx.connection.execute(statement.returning(retired_addresses.c.id)).scalar_one()


def kept_time(tx, address):
    query = select(retired_addresses.c.retired_at).where(retired_addresses.c.address == address)
    return tx.connection.execute(query).scalar_one()


# --- Times ------------------------------------------------------------------------------------


def test_a_time_comes_back_to_the_microsecond(database):
    database.write(lambda tx: keep(tx, "a", NOON))
    assert database.read(lambda tx: kept_time(tx, "a")) == NOON


def test_a_time_from_elsewhere_comes_back_in_utc(database):
    elsewhere = NOON.astimezone(timezone(timedelta(hours=-11, minutes=-30)))
    database.write(lambda tx: keep(tx, "a", elsewhere))
    kept = database.read(lambda tx: kept_time(tx, "a"))
    assert (kept, kept.utcoffset()) == (NOON, timedelta(0))


def test_no_time_stays_none(database):
    row = {"kind": "k", "subject": "s", "window_started_at": NOON, "blocked_until": None}
    database.write(lambda tx: tx.connection.execute(insert(attempts).values(row)))
    query = select(attempts.c.blocked_until)
    assert database.read(lambda tx: tx.connection.execute(query).scalar_one()) is None


def test_a_time_without_a_zone_is_refused(database):
    with pytest.raises(StatementError, match="a time without a zone was about to be stored"):
        database.write(lambda tx: keep(tx, "a", NOON.replace(tzinfo=None)))


def test_times_are_compared_as_times(database):
    earlier = (NOON - timedelta(seconds=1)).astimezone(timezone(timedelta(hours=9)))
    database.write(lambda tx: keep(tx, "earlier", earlier))
    database.write(lambda tx: keep(tx, "later", NOON + timedelta(seconds=1)))
    query = select(retired_addresses.c.address).where(retired_addresses.c.retired_at < NOON)
    assert database.read(lambda tx: [*tx.connection.scalars(query)]) == ["earlier"]


def stored_in_sqlite(time):
    return UtcTime().bind_processor(sqlite.dialect())(time)


@given(aware_times, aware_times)
def test_in_sqlite_the_order_of_texts_is_the_order_of_times(one, other):
    assert (stored_in_sqlite(one) < stored_in_sqlite(other)) == (one < other)


@given(aware_times)
def test_in_sqlite_every_time_is_as_long(time):
    assert len(stored_in_sqlite(time)) == 32


@given(aware_times)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_every_time_comes_back(database, time):
    def there_and_back(tx):
        tx.connection.execute(delete(retired_addresses))
        keep(tx, "a", time)
        return kept_time(tx, "a")

    assert database.write(there_and_back) == time


# --- Ids --------------------------------------------------------------------------------------


def test_the_id_of_a_deleted_last_row_is_not_given_again(database):
    first = database.write(lambda tx: keep(tx, "a", NOON))
    database.write(lambda tx: tx.connection.execute(delete(retired_addresses)))
    assert database.write(lambda tx: keep(tx, "b", NOON)) > first


@pytest.mark.parametrize(
    "table", [table for table in metadata.sorted_tables if "id" in table.columns], ids=str
)
def test_every_numbered_table_asks_sqlite_not_to_reuse_ids(table):
    assert table.dialect_options["sqlite"]["autoincrement"]


# --- Words ------------------------------------------------------------------------------------


def keep_words(tx, words):
    tx.connection.execute(insert(plans).values(name="mine", allowed_scopes=words))


def kept_words(tx, column=plans.c.allowed_scopes):
    return tx.connection.execute(select(column).where(plans.c.name == "mine")).scalar_one()


def test_words_come_back_sorted(database):
    database.write(lambda tx: keep_words(tx, ("b", "a")))
    assert database.read(kept_words) == ("a", "b")


def test_a_word_is_kept_once(database):
    database.write(lambda tx: keep_words(tx, ("a", "a")))
    assert database.read(kept_words) == ("a",)


def test_no_words_come_back_as_none_at_all(database):
    database.write(lambda tx: keep_words(tx, ()))
    assert database.read(kept_words) == ()


def test_words_are_one_line_of_text(database):
    database.write(lambda tx: keep_words(tx, frozenset({"b", "a"})))
    as_text = cast(plans.c.allowed_scopes, String)
    assert database.read(lambda tx: str(kept_words(tx, as_text))) == "a b"


@pytest.mark.parametrize("word", ["", "a b", " a", "a\n"], ids=ascii)
def test_a_word_that_would_come_back_otherwise_is_refused(word):
    with pytest.raises(ValueError, match="empty, or holds a blank"):
        Words().process_bind_param((word,), sqlite.dialect())
