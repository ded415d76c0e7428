"""One chain under many writers: threads here, worker processes and nodes in earnest."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from storage.audit import (
    COMMAND_LINE,
    Actor,
    Category,
    Event,
    Target,
    audit_events,
    list_events,
    record,
)
from storage.audit_chain import verify
from storage.db import Database
from storage.errors import Invalid

WRITERS = 6
EACH = 8


def an_event(label="Phone"):
    return Event(
        Category.SECURITY, "device:secret:issued", COMMAND_LINE, Target("device", 1, label)
    )


def write_from_many_threads(write):
    barrier = threading.Barrier(WRITERS)

    def one_writer(writer):
        barrier.wait(30)
        for number in range(EACH):
            write(writer, number)

    with ThreadPoolExecutor(WRITERS) as threads:
        for future in [threads.submit(one_writer, writer) for writer in range(WRITERS)]:
            future.result(60)


def numbers(tx, account_id):
    query = select(audit_events.c.seq).where(audit_events.c.account_id == account_id)
    return [*tx.connection.scalars(query.order_by(audit_events.c.seq))]


@pytest.fixture
def written_together(database):
    write_from_many_threads(
        lambda writer, number: database.write(lambda tx: record(tx, an_event(), account_id=7))
    )
    return database


def test_many_writers_leave_no_gap(written_together):
    found = written_together.read(lambda tx: numbers(tx, 7))
    assert found == list(range(1, WRITERS * EACH + 1))


def test_a_chain_of_many_writers_verifies(written_together):
    assert written_together.read(verify).faults == ()


def test_many_processes_keep_one_chain(database_config):
    # Each writer has an engine of its own, as each process has: no lock of ours in between.
    databases = [Database(database_config) for _ in range(WRITERS)]
    write_from_many_threads(
        lambda writer, number: databases[writer].write(
            lambda tx: record(tx, an_event(), account_id=7)
        )
    )
    verdict = databases[0].read(verify)
    for database in databases:
        database.close()
    assert (verdict.rows, verdict.faults) == (WRITERS * EACH, ())


def test_many_accounts_keep_chains_of_their_own(database):
    def write(writer, number):
        account_id = writer % 2 + 1
        database.write(lambda tx: record(tx, an_event(), account_id=account_id))

    write_from_many_threads(write)
    verdict = database.read(verify)
    each_account = WRITERS * EACH // 2
    assert ([head.seq for head in verdict.heads], verdict.faults) == ([each_account] * 2, ())


def test_writers_that_fail_leave_no_gap(database):
    def write(writer, number):
        def act(tx):
            record(tx, an_event(), account_id=7)
            if number % 2:
                raise Invalid("no")

        if number % 2:
            with pytest.raises(Invalid):
                database.write(act)
        else:
            database.write(act)

    write_from_many_threads(write)
    verdict = database.read(verify)
    assert (verdict.rows, verdict.faults) == (WRITERS * EACH // 2, ())


# --- What strangers choose ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "label", ["nul \0 inside", "half a \ud83d character", "x" * 5000], ids=["nul", "half", "long"]
)
def test_a_strange_name_is_recorded_all_the_same(database, label):
    actor = Actor(type="system", id=None, label=label, user_agent=label)
    event = Event(Category.SECURITY, "signin:password:refused", actor, Target("user", None, label))
    database.write(lambda tx: record(tx, event))
    assert database.read(verify).faults == ()


def test_a_listing_is_newest_first(database):
    for label in ("first", "second"):
        database.write(lambda tx, label=label: record(tx, an_event(label)))
    assert [event["target_label"] for event in database.read(list_events)] == ["second", "first"]


def test_a_log_that_grows_while_it_is_read_verifies(written_together):
    with written_together.reading() as tx:
        before = verify(tx)
        written_together.write(lambda other: record(other, an_event(), account_id=7))
        assert verify(tx) == before
