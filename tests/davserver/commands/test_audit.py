import csv
import io
import json

import pytest
from sqlalchemy import delete, update

from storage.audit import Actor, Category, Event, Target, audit_events, audit_heads, record

ALICE = Actor(type="user", id=1, label="alice@example.org", ip="192.0.2.1", request_id="r1")
KEYS = {
    "account_id", "seq", "category", "action", "actor_type", "actor_id", "actor_label",
    "target_type", "target_id", "target_label", "ip", "user_agent", "request_id", "outcome",
    "metadata", "at", "hash",
}  # fmt: skip


def note(command_line, *labels, account_id=1):
    for number, label in enumerate(labels, start=1):
        event = Event(
            category=Category.SECURITY,
            action="device:secret:issued",
            actor=ALICE,
            target=Target(type="device", id=number, label=label),
            metadata={"größe": number},
        )
        command_line.write(lambda tx, event=event: record(tx, event, account_id=account_id))


def tamper(command_line, statement):
    command_line.write(lambda tx: tx.connection.execute(statement))


@pytest.fixture
def five_events(command_line):
    note(command_line, "a", "b", "c", "d", "e")
    return command_line


# --- Reading --------------------------------------------------------------------------------


def test_the_tail_shows_the_newest_last(five_events):
    heading, *rows = five_events("audit", "tail", "-n", "2").stdout.splitlines()
    assert heading.startswith("when (UTC)")
    assert [row.split()[5] for row in rows] == ["d", "e"]


def test_the_tail_shows_an_action_as_it_is_written(five_events):
    assert "device:secret:issued" in five_events("audit", "tail").stdout


def test_the_tail_as_json_has_every_field(five_events):
    events = five_events.json("audit", "tail")
    assert [event["target_label"] for event in events] == ["a", "b", "c", "d", "e"]
    assert set(events[0]) == KEYS


def test_an_empty_tail_says_so(command_line):
    result = command_line("audit", "tail")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Nothing has been recorded yet.\n"


# --- Exporting ------------------------------------------------------------------------------


def test_an_export_is_one_json_object_a_line_oldest_first(five_events):
    events = [json.loads(line) for line in five_events("audit", "export").stdout.splitlines()]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert set(events[0]) == KEYS


@pytest.mark.parametrize("label", ["a\nb", "a\x85b", "a\u2028b", "a\x1b[2Jb"], ids=ascii)
def test_no_label_breaks_a_line_of_an_export(command_line, label):
    note(command_line, label)
    [line] = command_line("audit", "export").stdout.splitlines()
    assert json.loads(line)["target_label"] == label


def test_an_export_may_be_one_array(five_events):
    assert [event["seq"] for event in five_events.json("audit", "export")] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("words", [[], ["--json"], ["--format", "csv"]], ids=" ".join)
def test_every_form_of_an_export_has_every_event(five_events, words):
    note(five_events, "f", account_id=2)
    assert five_events("audit", "export", *words).stdout.count("device:secret:issued") == 6


def csv_rows(command_line):
    result = command_line("audit", "export", "--format", "csv")
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout, newline="")))


def test_a_table_has_every_field(five_events):
    rows = csv_rows(five_events)
    assert [row["target_label"] for row in rows] == ["a", "b", "c", "d", "e"]
    assert set(rows[0]) == KEYS


def test_a_table_keeps_what_belongs_to_an_event_as_json(five_events):
    assert json.loads(csv_rows(five_events)[0]["metadata"]) == {"größe": 1}


def test_a_table_of_nothing_has_its_heading(command_line):
    heading = command_line("audit", "export", "--format", "csv").stdout.strip()
    assert set(heading.split(",")) == KEYS


@pytest.mark.parametrize(
    "sign", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"], ids=ascii
)
def test_no_cell_of_a_table_begins_like_a_formula(command_line, sign):
    note(command_line, f'{sign}HYPERLINK("http://example.org")')
    assert csv_rows(command_line)[0]["target_label"].startswith(f"'{sign}")


def test_a_label_with_commas_quotes_and_lines_stays_one_cell(command_line):
    note(command_line, 'a,"b"\nc')
    assert csv_rows(command_line)[0]["target_label"] == 'a,"b"\nc'


# --- Verifying ------------------------------------------------------------------------------


def test_an_untouched_log_verifies(five_events):
    result = five_events("audit", "verify")
    assert (result.exit_code, result.stderr) == (0, "")
    first, head = result.stdout.splitlines()
    assert first == "The audit log is whole: 5 events in 1 chain."
    assert head.startswith("account 1 up to event 5: ")


def test_json_of_a_verdict_has_exactly_what_scripts_rely_on(five_events):
    verdict = five_events.json("audit", "verify")
    [head] = verdict.pop("heads")
    assert verdict == {"ok": True, "events": 5, "faults": []}
    assert (head["account_id"], head["seq"], len(head["hash"])) == (1, 5, 64)


def test_a_changed_event_is_named(five_events):
    tamper(five_events, update(audit_events).where(audit_events.c.seq == 3).values(ip="x"))
    result = five_events("audit", "verify")
    assert result.exit_code == 1
    assert result.stdout == "account 1, event 3 was changed after it was written\n"
    assert result.stderr == (
        "davserver: The audit log does not verify: 1 fault in 5 events. "
        "Compare with a backup from before.\n"
    )


def test_removed_events_are_named(five_events):
    tamper(five_events, delete(audit_events).where(audit_events.c.seq.in_([2, 3])))
    result = five_events("audit", "verify")
    assert result.exit_code == 1
    assert "account 1, event 2 to 3 are missing" in result.stdout.splitlines()


def test_faults_in_json_exit_with_1_too(five_events):
    tamper(five_events, delete(audit_events).where(audit_events.c.seq == 5))
    result = five_events("audit", "verify", "--json")
    assert result.exit_code == 1
    verdict = json.loads(result.stdout)
    assert verdict["ok"] is False
    assert verdict["faults"] == [{"account_id": 1, "seq": 5, "what": "is missing"}]


def test_a_chain_that_belongs_to_no_account_is_the_server_s(command_line):
    note(command_line, "a", account_id=0)
    assert "the server itself up to event 1: " in command_line("audit", "verify").stdout


def test_a_tail_that_was_cut_with_its_head_shows_against_an_earlier_verdict(five_events):
    noted = five_events.folder / "noted.json"
    noted.write_text(five_events("audit", "verify", "--json").stdout)
    cut(five_events, keep=3)
    assert five_events("audit", "verify").exit_code == 0
    result = five_events("audit", "verify", "--against", noted)
    assert (result.exit_code, result.stdout) == (1, "account 1, event 4 to 5 are missing\n")


def test_a_log_that_only_grew_verifies_against_an_earlier_verdict(five_events):
    noted = five_events.folder / "noted.json"
    noted.write_text(five_events("audit", "verify", "--json").stdout)
    note(five_events, "f")
    assert five_events("audit", "verify", "--against", noted).exit_code == 0


def cut(command_line, *, keep):
    def act(tx):
        tx.connection.execute(delete(audit_events).where(audit_events.c.seq > keep))
        row = tx.connection.execute(audit_events.select().where(audit_events.c.seq == keep)).one()
        tx.connection.execute(update(audit_heads).values(seq=keep, hash=row.hash))

    command_line.write(act)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"heads": 7}', '{"heads": [7]}', '{"heads": [{"seq": 1}]}', "\xff"],
)
def test_a_file_that_is_no_earlier_verdict_is_refused(command_line, content):
    noted = command_line.folder / "noted.json"
    noted.write_bytes(content.encode("latin-1"))
    result = command_line("audit", "verify", "--against", noted)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"davserver: {noted} is not what 'davserver audit verify --json' prints.\n"
    )


def test_a_missing_file_of_an_earlier_verdict_is_wrong_usage(command_line):
    assert command_line("audit", "verify", "--against", "none.json").exit_code == 2
