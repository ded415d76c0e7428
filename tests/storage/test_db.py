import logging
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC

import psycopg
import pytest
from sqlalchemy import insert, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError, StatementError

from storage.clock import monotonic
from storage.db import Database, describe
from storage.errors import Invalid, Misconfigured, Unavailable
from storage.identity.tables import retired_addresses
from storage.sections import DatabaseConfig

WAIT_SECONDS = 30
BOTH = 2


@pytest.fixture
def open_database(clock, chance):
    """Opens databases with changed settings, and closes them at the end."""
    opened = []

    def open_one(config, **changes):
        database = Database(config.model_copy(update=changes), clock=clock, random=chance)
        opened.append(database)
        return database

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def counters(database):
    return with_counters(database)


def with_counters(database):
    """Add a table of two counters, both zero."""

    def act(tx):
        tx.connection.execute(text("CREATE TABLE counters (id INTEGER PRIMARY KEY, n INTEGER)"))
        tx.connection.execute(text("INSERT INTO counters VALUES (1, 0), (2, 0)"))

    database.write(act)
    return database


@pytest.fixture
def postgres_database(postgres_database_config, open_database):
    return open_database(postgres_database_config)


def add_one(tx, counter=1):
    statement = "UPDATE counters SET n = n + 1 WHERE id = :id"
    tx.connection.execute(text(statement), {"id": counter})


def read_counter(tx, counter=1):
    statement = "SELECT n FROM counters WHERE id = :id"
    return tx.connection.execute(text(statement), {"id": counter}).scalar_one()


def retire(tx, address):
    tx.connection.execute(insert(retired_addresses).values(address=address, retired_at=tx.now))


def scalar(database, statement, *, writes=False):
    run = database.write if writes else database.read
    return run(lambda tx: tx.connection.execute(text(statement)).scalar_one())


def at_the_same_time(*acts):
    """Run every act in a thread of its own and return what each returned."""
    with ThreadPoolExecutor(len(acts)) as threads:
        futures = [threads.submit(act) for act in acts]
        return [future.result(WAIT_SECONDS) for future in futures]


class OnlyFirst:
    """Tells the first call from those that follow: a retried act must behave itself."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return self.calls == 1


# --- A transaction ----------------------------------------------------------------------------


def test_a_write_is_kept(counters):
    counters.write(add_one)
    assert counters.read(read_counter) == 1


def test_a_write_returns_what_the_act_returns(database):
    assert database.write(lambda tx: "result") == "result"


def test_an_error_undoes_the_whole_act(counters):
    def act(tx):
        add_one(tx)
        raise Invalid("no")

    with pytest.raises(Invalid):
        counters.write(act)
    assert counters.read(read_counter) == 0


def test_the_acts_own_error_passes_unchanged(database):
    error = Invalid("no", field="name")

    def act(tx):
        raise error

    with pytest.raises(Invalid) as raised:
        database.write(act)
    assert raised.value is error


def test_an_interrupted_act_is_undone(counters):
    def act(tx):
        add_one(tx)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        counters.write(act)
    assert counters.read(read_counter) == 0


def test_a_read_can_not_write(counters):
    with pytest.raises((DBAPIError, Unavailable)):
        counters.read(add_one)
    assert counters.read(read_counter) == 0


def test_a_connection_that_has_read_can_write(database_config, open_database):
    database = open_database(database_config, pool_size=1)
    database.read(describe)
    database.write(lambda tx: retire(tx, "a@example.org"))
    assert scalar(database, "SELECT count(*) FROM retired_addresses") == 1


def test_the_time_of_a_transaction_stands_still(database, clock):
    def act(tx):
        before = tx.now
        clock.advance(seconds=1)
        return tx.now == before

    assert database.write(act)


def test_the_time_of_a_transaction_is_in_utc(database):
    assert database.read(lambda tx: tx.now.tzinfo) is UTC


def test_chance_comes_from_the_source_that_was_handed_in(database_config):
    database = Database(database_config, random=lambda count: b"x" * count)
    assert database.read(lambda tx: tx.random(3)) == b"xxx"
    database.close()


def test_rows_can_be_taken_one_by_one(counters):
    with counters.reading() as tx:
        rows = tx.connection.execute(text("SELECT id FROM counters ORDER BY id"))
        assert [row.id for row in rows] == [1, 2]


def test_a_broken_rule_passes_through(database):
    database.write(lambda tx: retire(tx, "a@example.org"))
    with pytest.raises(IntegrityError):
        database.write(lambda tx: retire(tx, "a@example.org"))


def test_a_broken_rule_is_not_tried_again(database):
    calls = OnlyFirst()

    def act(tx):
        calls()
        retire(tx, "a@example.org")
        retire(tx, "a@example.org")

    with pytest.raises(IntegrityError):
        database.write(act)
    assert calls.calls == 1


def test_a_mistake_in_a_statement_is_no_outage(database):
    with pytest.raises(DBAPIError):
        scalar(database, "SELECT nothing FROM nowhere")


def test_the_database_says_what_it_is(database, database_config):
    product = "SQLite" if database_config.is_sqlite else "PostgreSQL"
    assert database.read(describe).product == product


# --- What an error tells ------------------------------------------------------------------------


def told(error):
    """Everything that a log would show of an error and of those it came from."""
    words = []
    while error is not None:
        words += [str(error), repr(error), str(getattr(error, "orig", ""))]
        error = error.__cause__ or error.__context__
    return " ".join(words)


LEAKS = {
    "a-key-that-exists": "INSERT INTO retired_addresses (address, retired_at) "
    "SELECT :secret, retired_at FROM retired_addresses",
    "a-row-that-breaks-a-rule": "INSERT INTO retired_addresses (address, retired_at) "
    "VALUES (:secret, NULL)",
    "a-statement-that-is-wrong": "SELECT nowhere FROM retired_addresses WHERE address = :secret",
}


@pytest.mark.parametrize("statement", LEAKS.values(), ids=LEAKS.keys())
def test_an_error_never_repeats_a_value(database, statement):
    database.write(lambda tx: retire(tx, "hunter2@example.org"))
    with pytest.raises(DBAPIError) as raised:
        database.write(
            lambda tx: tx.connection.execute(text(statement), {"secret": "hunter2@example.org"})
        )
    assert "hunter2" not in told(raised.value)


def test_a_value_that_does_not_fit_is_not_repeated(postgres_database):
    def act(tx):
        tx.connection.execute(text("SELECT CAST(:secret AS integer)"), {"secret": "hunter2"})

    with pytest.raises(DBAPIError) as raised:
        postgres_database.write(act)
    assert "hunter2" not in told(raised.value)


def test_a_broken_rule_is_named(database):
    database.write(lambda tx: retire(tx, "a@example.org"))
    with pytest.raises(IntegrityError, match="retired_addresses"):
        database.write(lambda tx: retire(tx, "a@example.org"))


def test_a_failed_connection_does_not_tell_the_password(caplog, open_database, free_port):
    caplog.set_level(logging.DEBUG)
    config = DatabaseConfig(
        url=f"postgresql://u:hunter2@127.0.0.1:{free_port}/d", busy_timeout_seconds=0.1
    )
    with pytest.raises(Unavailable) as raised:
        open_database(config).read(describe)
    assert "hunter2" not in told(raised.value) + caplog.text


# --- Writers side by side -----------------------------------------------------------------------


def test_two_writers_lose_nothing(counters):
    barrier = threading.Barrier(BOTH)

    def write_many():
        barrier.wait(WAIT_SECONDS)
        for _ in range(25):
            # Read, then write what was read plus one: only a serialised pair gets this right.
            counters.write(read_and_add)

    def read_and_add(tx):
        tx.serialise_on("counters", 1)
        n = read_counter(tx)
        tx.connection.execute(text("UPDATE counters SET n = :n WHERE id = 1"), {"n": n + 1})

    at_the_same_time(write_many, write_many)
    assert counters.read(read_counter) == 50


def test_the_second_on_a_subject_waits_for_the_first(database):
    inside, outside = threading.Event(), threading.Event()
    order = []

    def first(tx):
        tx.serialise_on("space", 7)
        inside.set()
        assert not outside.wait(0.2)
        order.append("first")

    def second(tx):
        tx.serialise_on("space", 7)
        outside.set()
        order.append("second")

    def start_second():
        inside.wait(WAIT_SECONDS)
        database.write(second)

    at_the_same_time(lambda: database.write(first), start_second)
    assert order == ["first", "second"]


@pytest.mark.parametrize("other", [("space", 8), ("audit", 7)], ids=["number", "subject"])
def test_other_subjects_do_not_wait(postgres_database, other):
    barrier = threading.Barrier(BOTH)

    def hold(subject, number):
        def act(tx):
            tx.serialise_on(subject, number)
            barrier.wait(WAIT_SECONDS)  # only passed when both hold theirs at once

        postgres_database.write(act)

    at_the_same_time(lambda: hold("space", 7), lambda: hold(*other))


def test_a_reader_does_not_wait_for_a_writer(counters):
    def act(tx):
        add_one(tx)
        return at_the_same_time(lambda: counters.read(read_counter))

    assert counters.write(act) == [0]


def test_a_deadlock_is_resolved(postgres_database):
    counters = with_counters(postgres_database)
    barrier = threading.Barrier(BOTH)

    def cross(first, second):
        is_first_try = OnlyFirst()

        def act(tx):
            add_one(tx, first)
            if is_first_try():
                barrier.wait(WAIT_SECONDS)
            add_one(tx, second)

        counters.write(act)

    at_the_same_time(lambda: cross(1, 2), lambda: cross(2, 1))
    assert [counters.read(lambda tx, c=c: read_counter(tx, c)) for c in (1, 2)] == [2, 2]


# --- SQLite -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("foreign_keys", 1), ("temp_store", 2)],
)
def test_sqlite_is_opened_as_it_should_be(sqlite_database_config, open_database, pragma, value):
    assert scalar(open_database(sqlite_database_config), f"PRAGMA {pragma}") == value


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("relaxed", 1)])
def test_sqlite_syncs_as_durability_says(
    sqlite_database_config, open_database, durability, synchronous
):
    database = open_database(sqlite_database_config, durability=durability)
    assert scalar(database, "PRAGMA synchronous") == synchronous


def test_a_foreign_key_that_leads_nowhere_is_refused(database):
    statement = (
        "INSERT INTO domains (account_id, name, status, created_at) "
        "VALUES (999, 'example.org', 'active', '2026-01-01 00:00:00+00:00')"
    )
    with pytest.raises(IntegrityError):
        database.write(lambda tx: tx.connection.execute(text(statement)))


def test_an_sqlite_write_takes_its_lock_at_the_start(sqlite_database_config, open_database):
    path = sqlite_database_config.sqlite_path

    def act(tx):
        with (
            another_program(path) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("BEGIN IMMEDIATE")

    open_database(sqlite_database_config).write(act)


def test_an_sqlite_read_takes_no_lock(sqlite_database_config, open_database):
    path = sqlite_database_config.sqlite_path

    def act(tx):
        tx.connection.execute(text("SELECT count(*) FROM plans"))
        with another_program(path) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")

    open_database(sqlite_database_config).read(act)


def another_program(path):
    """Another program's connection to the same file: it waits for nobody, and is closed."""
    return closing(sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False))


def test_a_busy_sqlite_is_unavailable_within_the_limit(sqlite_database_config, open_database):
    database = open_database(sqlite_database_config, busy_timeout_seconds=0.3)
    with another_program(sqlite_database_config.sqlite_path) as other:
        other.execute("BEGIN IMMEDIATE")
        started = monotonic()
        with pytest.raises(Unavailable):
            database.write(lambda tx: None)
    assert 0.2 < monotonic() - started < 5


def test_a_write_waits_for_a_busy_sqlite(sqlite_database_config, open_database):
    database = open_database(sqlite_database_config)
    with another_program(sqlite_database_config.sqlite_path) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, other.execute, ["ROLLBACK"])
        release.start()
        database.write(lambda tx: retire(tx, "a@example.org"))
        release.join()
    assert scalar(database, "SELECT count(*) FROM retired_addresses") == 1


def test_the_folder_of_a_new_sqlite_is_its_owners_alone(tmp_path, open_database):
    open_database(DatabaseConfig(url=f"sqlite:///{tmp_path}/new/a.db")).read(describe)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_can_not_be_made_is_refused(tmp_path, open_database):
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured) as refused:
        open_database(DatabaseConfig(url=f"sqlite:///{tmp_path}/file/a.db"))
    assert refused.value.message == (
        f"The folder {tmp_path}/file of the database can't be made: File exists."
    )


def test_a_file_that_is_no_database_is_unavailable(tmp_path, open_database):
    (tmp_path / "a.db").write_text("no database at all\n" * 100)
    with pytest.raises(Unavailable) as refused:
        open_database(DatabaseConfig(url=f"sqlite:///{tmp_path}/a.db")).read(describe)
    assert refused.value.message == "The database's file can't be opened or is damaged."


# --- PostgreSQL ---------------------------------------------------------------------------------


@pytest.fixture
def free_port():
    """A port on which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but never listening: every attempt is refused
        yield taken.getsockname()[1]


@pytest.fixture
def silent_port():
    """A port that takes connections and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        yield silent.getsockname()[1]


@pytest.mark.parametrize("server", ["free_port", "silent_port"], ids=["away", "silent"])
def test_a_server_that_is_away_is_unavailable_within_bounds(request, open_database, server):
    port = request.getfixturevalue(server)
    config = DatabaseConfig(
        url=f"postgresql://u@127.0.0.1:{port}/d?connect_timeout=2", busy_timeout_seconds=0.3
    )
    started = monotonic()
    with pytest.raises(Unavailable):
        open_database(config).read(describe)
    assert monotonic() - started < 10


def test_a_slow_statement_is_cut_off(postgres_database_config, open_database):
    database = open_database(postgres_database_config, statement_timeout_seconds=0.2)
    with pytest.raises(Unavailable) as refused:
        database.read(lambda tx: tx.connection.execute(text("SELECT pg_sleep(30)")))
    assert refused.value.message == "The database took too long to answer."


def test_the_shortest_time_out_is_still_one(postgres_database_config, open_database):
    database = open_database(postgres_database_config, statement_timeout_seconds=0.0001)
    with pytest.raises(Unavailable):
        database.read(lambda tx: tx.connection.execute(text("SELECT pg_sleep(30)")))


def test_a_held_row_is_unavailable_within_the_limit(postgres_database_config, open_database):
    holder = open_database(postgres_database_config)
    database = open_database(postgres_database_config, busy_timeout_seconds=0.3)

    def act(tx):
        tx.serialise_on("space", 7)
        started = monotonic()
        with pytest.raises(Unavailable):
            database.write(lambda other: other.serialise_on("space", 7))
        return monotonic() - started

    assert holder.write(act) < 5


@pytest.mark.parametrize("run", ["read", "write"])
def test_an_act_whose_connection_dies_is_run_again(postgres_database, run):
    is_first_try = OnlyFirst()

    def act(tx):
        pid = tx.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        if is_first_try():
            terminate(postgres_database, pid)
        tx.connection.execute(text("SELECT 1"))

    getattr(postgres_database, run)(act)
    assert is_first_try.calls == 2


def terminate(database, pid):
    """End another connection of the same server, and wait until it is gone."""
    gone = text("SELECT pg_terminate_backend(:pid, 10000)")
    assert database.read(lambda tx: tx.connection.execute(gone, {"pid": pid}).scalar_one())


def test_connections_that_died_in_the_pool_are_replaced(postgres_database, postgres):
    pid = scalar(postgres_database, "SELECT pg_backend_pid()")
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
    assert scalar(postgres_database, "SELECT 1", writes=True) == 1


def test_a_connection_lost_before_the_commit_is_not_taken_for_saved(postgres_database):
    def act(tx):
        retire(tx, "a@example.org")
        terminate(
            postgres_database,
            tx.connection.execute(text("SELECT pg_backend_pid()")).scalar_one(),
        )

    with pytest.raises(Unavailable) as refused:
        postgres_database.write(act)
    assert refused.value.message == (
        "The database was lost while the change was being saved; "
        "look whether it took effect before trying again."
    )


def test_a_serialisation_failure_is_run_again(postgres_database):
    is_first_try = OnlyFirst()

    def act(tx):
        if is_first_try():
            tx.connection.execute(
                text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$")
            )

    postgres_database.write(act)
    assert is_first_try.calls == 2


def test_postgresql_speaks_utc(postgres_database):
    assert scalar(postgres_database, "SHOW timezone") == "UTC"


def test_the_words_of_libpq_stay_in_the_url(postgres_database_config, open_database):
    # The test's server speaks no TLS, so asking for it must fail: were sslmode lost, it would not.
    url = make_url(postgres_database_config.url.get_secret_value())
    query = dict(url.query) | {"host": "127.0.0.1", "sslmode": "require"}
    config = DatabaseConfig(
        url=url.set(query=query, host=None).render_as_string(hide_password=False),
        busy_timeout_seconds=0.1,
    )
    arguments = open_database(config).engine.dialect.create_connect_args(
        open_database(config).engine.url
    )[1]
    assert arguments["sslmode"] == "require"


def test_the_words_of_libpq_win_over_ours(postgres_database_config, open_database):
    url = make_url(postgres_database_config.url.get_secret_value()).update_query_dict(
        {"application_name": "mine", "options": "-c statement_timeout=1234ms"}
    )
    config = DatabaseConfig(url=url.render_as_string(hide_password=False))
    database = open_database(config)
    shown = (scalar(database, "SHOW application_name"), scalar(database, "SHOW statement_timeout"))
    assert shown == ("mine", "1234ms")


def test_our_options_stand_beside_those_of_the_url(postgres_database_config, open_database):
    url = make_url(postgres_database_config.url.get_secret_value()).update_query_dict(
        {"options": "-c work_mem=8MB"}
    )
    config = DatabaseConfig(url=url.render_as_string(hide_password=False))
    assert scalar(open_database(config), "SHOW statement_timeout") == "30s"


# --- The pool -----------------------------------------------------------------------------------


def test_an_exhausted_pool_is_unavailable_within_the_limit(database_config, open_database):
    database = open_database(database_config, pool_size=1, busy_timeout_seconds=0.2)

    def act(tx):
        started = monotonic()
        with pytest.raises(Unavailable) as refused:
            database.read(describe)
        return refused.value.message, monotonic() - started < 5

    assert database.read(act) == (
        "All connections to the database are in use; try again shortly.",
        True,
    )


def fail_by_rule(tx):
    retire(tx, "a@example.org")
    retire(tx, "a@example.org")


def fail_by_mistake(tx):
    tx.connection.execute(text("SELECT nothing FROM nowhere"))


def fail_by_type(tx):
    tx.connection.execute(insert(retired_addresses).values(address="a", retired_at="today"))


def fail_by_refusal(tx):
    raise Invalid("no")


@pytest.mark.parametrize(
    "act", [fail_by_rule, fail_by_mistake, fail_by_type, fail_by_refusal], ids=lambda a: a.__name__
)
@pytest.mark.parametrize("run", ["read", "write"])
def test_an_error_gives_its_connection_back(database, act, run):
    with pytest.raises((DBAPIError, StatementError, Invalid, Unavailable)):
        getattr(database, run)(act)
    assert database.engine.pool.checkedout() == 0


def test_rows_that_were_left_half_read_give_their_connection_back(counters):
    def take_one():
        with counters.reading() as tx:
            query, one_by_one = text("SELECT id FROM counters"), {"yield_per": 1}
            with tx.connection.execute(query, execution_options=one_by_one) as rows:
                raise Invalid(str(next(rows)))

    with pytest.raises(Invalid):
        take_one()
    assert counters.engine.pool.checkedout() == 0


def test_a_mistake_while_rows_are_taken_is_no_outage(postgres_database):
    with pytest.raises(ProgrammingError), postgres_database.reading() as tx:
        fail_by_mistake(tx)


@pytest.mark.parametrize(("durability", "state"), [("full", "on"), ("relaxed", "off")])
def test_postgresql_syncs_as_durability_says(
    postgres_database_config, open_database, durability, state
):
    database = open_database(postgres_database_config, durability=durability)
    assert scalar(database, "SHOW synchronous_commit") == state


def test_settings_that_risk_the_data_are_named(postgres_database):
    # The tests' own server lives for one run only, and saves itself the trouble.
    assert postgres_database.read(describe).unsafe_settings == ("fsync", "full_page_writes")
