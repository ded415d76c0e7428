from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from storage.audit import (
    Actor,
    Category,
    Event,
    Target,
    audit_events,
    audit_heads,
    iter_events,
    list_events,
    record,
)
from storage.audit_chain import Head, verify
from storage.db import Database
from storage.errors import Invalid

ALICE = Actor(type="user", id=1, label="alice@example.org", ip="192.0.2.1", request_id="r1")


def an_event(number=1, **changes):
    defaults = {
        "category": Category.SECURITY,
        "action": "device:secret:issued",
        "actor": ALICE,
        "target": Target(type="device", id=number, label=f"Phone {number}"),
        "metadata": {"scopes": ["drive:account:read"], "größe": number},
    }
    return Event(**(defaults | changes))


@pytest.fixture
def five_rows(database):
    for number in range(1, 6):
        database.write(lambda tx, number=number: record(tx, an_event(number), account_id=7))
    return database


def tamper(database, statement):
    database.write(lambda tx: tx.connection.execute(statement))


def empty_content(database, *, seq):
    kept = ("id", "account_id", "seq", "at", "category", "content_hash", "prev_hash", "hash")
    emptied = {column.name: None for column in audit_events.c if column.name not in kept}
    tamper(database, update(audit_events).where(audit_events.c.seq == seq).values(emptied))


def faults_of(database, **against):
    verdict = database.read(lambda tx: verify(tx, **against))
    return [(fault.seq, fault.what) for fault in verdict.faults]


def test_an_untouched_log_verifies(five_rows):
    verdict = five_rows.read(verify)
    assert (verdict.rows, verdict.faults) == (5, ())


def test_an_empty_log_verifies(database):
    assert database.read(verify).faults == ()


def test_an_event_comes_back_as_it_was_recorded(database):
    database.write(lambda tx: record(tx, an_event(), account_id=7))
    [event] = database.read(list_events)
    assert event["metadata"] == {"scopes": ["drive:account:read"], "größe": 1}


@pytest.mark.parametrize(
    "column",
    ["action", "actor_label", "target_label", "ip", "outcome", "metadata", "category"],
)
def test_a_changed_column_is_found(five_rows, column):
    tamper(
        five_rows,
        update(audit_events).where(audit_events.c.seq == 3).values({column: "x"}),
    )
    assert (3, "was changed after it was written") in faults_of(five_rows)


def test_a_changed_time_is_found(five_rows, clock):
    clock.advance(seconds=1)
    tamper(five_rows, update(audit_events).where(audit_events.c.seq == 2).values(at=clock()))
    assert faults_of(five_rows) == [(2, "was changed after it was written")]


def test_a_removed_row_is_found(five_rows):
    tamper(five_rows, delete(audit_events).where(audit_events.c.seq == 3))
    assert (3, "is missing") in faults_of(five_rows)


def test_removed_rows_at_the_beginning_are_found(five_rows):
    tamper(five_rows, delete(audit_events).where(audit_events.c.seq < 3))
    assert (1, "to 2 are missing") in faults_of(five_rows)


def test_a_cut_tail_is_found_by_the_head(five_rows):
    tamper(five_rows, delete(audit_events).where(audit_events.c.seq > 3))
    assert faults_of(five_rows) == [(4, "to 5 are missing")]


def test_a_cut_tail_with_its_head_mended_is_found_by_a_noted_hash(five_rows):
    noted = five_rows.read(verify).heads
    tamper(five_rows, delete(audit_events).where(audit_events.c.seq > 3))
    row = five_rows.read(
        lambda tx: tx.connection.execute(
            select(audit_events.c.hash).where(audit_events.c.seq == 3)
        ).one()
    )
    tamper(five_rows, update(audit_heads).values(seq=3, hash=row.hash))
    assert faults_of(five_rows) == []
    assert faults_of(five_rows, against=noted) == [(4, "to 5 are missing")]


def test_a_chain_removed_whole_is_found_by_a_noted_hash(five_rows):
    noted = five_rows.read(verify).heads
    tamper(five_rows, delete(audit_events))
    tamper(five_rows, delete(audit_heads))
    assert faults_of(five_rows, against=noted) == [(1, "to 5 are missing")]


def test_a_rewritten_chain_is_found_by_a_noted_hash(five_rows):
    noted = [Head(7, 4, "00" * 32)]
    assert faults_of(five_rows, against=tuple(noted)) == [
        (4, "is not the row that was there when its hash was noted")
    ]


def test_reordered_rows_are_found(five_rows):
    for seq, other in ((2, 99), (3, 2), (99, 3)):
        tamper(five_rows, update(audit_events).where(audit_events.c.seq == seq).values(seq=other))
    assert any("moved" in what for _, what in faults_of(five_rows))


def test_an_event_whose_content_was_pruned_by_age_still_verifies(database, clock):
    api_call = an_event(category=Category.API)
    for event in (api_call, an_event(2)):
        database.write(lambda tx, event=event: record(tx, event, account_id=7))
    empty_content(database, seq=1)
    clock.advance(days=91)
    assert faults_of(database) == []


def test_an_api_event_that_was_emptied_too_early_is_found(database, clock):
    api_call = an_event(category=Category.API)
    database.write(lambda tx: record(tx, api_call, account_id=7))
    empty_content(database, seq=1)
    assert faults_of(database) == [(1, "was emptied, though it is from 2026-03-01: too early")]
    assert faults_of(database, pruned_before=clock.now + timedelta(days=1)) == []


@pytest.mark.parametrize("column", ["hash", "prev_hash", "content_hash"])
@pytest.mark.parametrize("seq", [3, 5], ids=["middle", "last"])
def test_one_changed_hash_is_one_fault(five_rows, column, seq):
    change = update(audit_events).where(audit_events.c.seq == seq).values({column: bytes(32)})
    tamper(five_rows, change)
    assert faults_of(five_rows) == [(seq, "was changed after it was written")]


@pytest.mark.parametrize("account_id", [None, 7])
def test_an_export_leaves_no_connection_held(five_rows, account_id):
    events = iter_events(five_rows, account_id=account_id)
    next(events)
    assert five_rows.engine.pool.checkedout() == 0


NUL = "nul \0 inside"


@pytest.mark.parametrize("text", [NUL, "half \ud83d", "x" * 5000], ids=["nul", "half", "long"])
def test_no_text_of_a_stranger_keeps_an_event_out(database, text):
    actor = Actor("user", 1, text, ip=text, user_agent=text, request_id=text)
    event = an_event(actor=actor, metadata={text: [text, {"deep": text}]})
    database.write(lambda tx: record(tx, event, account_id=7))
    assert faults_of(database) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"action": f"a:b:{'c' * 64}"},
        {"actor": Actor("t" * 17, 1, "label")},
        {"target": Target("t" * 25, 1, "label")},
    ],
    ids=["action", "actor", "target"],
)
def test_a_word_too_long_to_keep_is_refused_alike(database, changes):
    with pytest.raises(Invalid):
        database.write(lambda tx: record(tx, an_event(**changes), account_id=7))


def test_one_accounts_events_are_read_in_the_order_of_an_index(sqlite_database_config):
    database = Database(sqlite_database_config)
    query = "SELECT * FROM audit_events WHERE account_id = 7 ORDER BY seq DESC LIMIT 50"
    plan = database.read(
        lambda tx: str(tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())
    )
    database.close()
    assert "TEMP B-TREE" not in plan


def test_an_emptied_security_event_is_found(five_rows):
    empty_content(five_rows, seq=2)
    assert faults_of(five_rows) == [(2, "was emptied, though security events are kept")]


def test_a_failed_act_leaves_no_record(database):
    def act(tx):
        record(tx, an_event(), account_id=7)
        raise Invalid("no")

    with pytest.raises(Invalid):
        database.write(act)
    assert database.read(list_events) == []


def test_accounts_have_chains_of_their_own(database):
    for account_id in (7, 8, 7, 0):
        database.write(lambda tx, a=account_id: record(tx, an_event(), account_id=a))
    heads = database.read(verify).heads
    assert [(head.account_id, head.seq) for head in heads] == [(0, 1), (7, 2), (8, 1)]


def test_a_listing_shows_one_account_only(database):
    for account_id in (7, 8):
        database.write(lambda tx, a=account_id: record(tx, an_event(), account_id=a))
    events = list(iter_events(database, account_id=8))
    assert [event["account_id"] for event in events] == [8]


def test_an_action_has_three_words(database):
    with pytest.raises(Invalid):
        database.write(lambda tx: record(tx, an_event(action="issued"), account_id=7))
