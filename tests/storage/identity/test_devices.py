import hashlib
import itertools
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from storage.audit import Actor, list_events
from storage.errors import Invalid, NotFound
from storage.identity import accounts, devices
from storage.identity.addresses import AddressKind, claim
from storage.identity.devices import Surface
from storage.identity.tables import devices as devices_table
from storage.identity.tables import domains, mailboxes
from storage.randomness import is_well_formed_secret
from storage.scopes import ACCOUNT_DRIVE, MAILBOX_DRIVE, Scope

ALICE = Actor(type="user", id=1, label="alice@example.org", ip="192.0.2.1", request_id="r1")
READ = frozenset({Scope.DRIVE_ACCOUNT_READ})
FILE_SCOPES = sorted(ACCOUNT_DRIVE | MAILBOX_DRIVE)  # all words would make more sets than memory
EVERY_SET_OF_SCOPES = [
    frozenset(scopes) for size in range(9) for scopes in itertools.combinations(FILE_SCOPES, size)
]


@pytest.fixture
def home(database):
    return open_account(database, "home", "alice@example.org")


@pytest.fixture
def neighbour(database):
    return open_account(database, "neighbour", "bob@example.org")


@pytest.fixture
def mailbox(database, home):
    def act(tx):
        domain = {"account_id": home, "name": "example.org", "status": "active"}
        domain_id = tx.connection.execute(
            insert(domains).values(**domain, created_at=tx.now).returning(domains.c.id)
        ).scalar_one()
        claim(tx, domain_id=domain_id, local_part="alice", kind=AddressKind.MAILBOX)
        box = {
            "account_id": home,
            "domain_id": domain_id,
            "local_part": "alice",
            "type": "regular",
            "status": "active",
            "drive_access": "full",
            "client_auth_mode": "app_password_only",
        }
        return tx.connection.execute(
            insert(mailboxes).values(**box, created_at=tx.now).returning(mailboxes.c.id)
        ).scalar_one()

    return database.write(act)


def open_account(database, name, email):
    account, _ = database.write(
        lambda tx: accounts.create(
            tx, name=name, owner_email=email, owner_password_hash="none", actor=ALICE
        )
    )
    return account.id


def issue(database, account_id, **changes):
    values = {"label": "Phone", "scopes": READ, "via": Surface.CLI, "actor": ALICE} | changes
    return database.write(lambda tx: devices.issue(tx, account_id=account_id, **values))


def revoke(database, account_id, device_id, reason="lost"):
    return database.write(
        lambda tx: devices.revoke(
            tx, account_id=account_id, device_id=device_id, reason=reason, actor=ALICE
        )
    )


def device_events(database):
    events = database.read(list_events)
    return [event for event in events if event["action"].startswith("device:")]


def stored(database, device_id):
    return database.read(
        lambda tx: tx.connection.execute(
            select(devices_table).where(devices_table.c.id == device_id)
        ).one()
    )


def words(family, actions):
    return frozenset(Scope(f"drive:{family}:{action}") for action in actions)


# --- Issuing --------------------------------------------------------------------------------


def test_an_issued_device_is_listed_as_it_was_asked_for(database, home, clock):
    device, _ = issue(database, home, label="Mary's laptop", expires_in_days=30)
    assert database.read(lambda tx: devices.list_devices(tx, account_id=home)) == [device]
    assert (device.label, device.scopes, device.mailbox_id) == ("Mary's laptop", READ, None)
    assert (device.issued_via, device.issued_by) == (Surface.CLI, "alice@example.org")
    assert (device.created_at, device.expires_at) == (clock.now, clock.now + timedelta(days=30))
    assert (device.last_used_at, device.revoked_at) == (None, None)


def test_a_secret_is_well_formed(database, home):
    _, secret = issue(database, home)
    assert is_well_formed_secret(secret, "dsync_")
    assert len(secret) == len("dsync_") + 32 + 6


def test_no_two_devices_have_the_same_secret(database, home):
    assert len({issue(database, home)[1] for _ in range(20)}) == 20


def test_the_database_refuses_a_secret_that_is_there_already(database, home):
    first, _ = issue(database, home)
    second, _ = issue(database, home)
    same = stored(database, first.id).secret_hash
    with pytest.raises(IntegrityError):
        database.write(
            lambda tx: tx.connection.execute(
                update(devices_table)
                .where(devices_table.c.id == second.id)
                .values(secret_hash=same)
            )
        )


def test_only_the_hash_of_a_secret_is_kept(database, home):
    device, secret = issue(database, home)
    row = stored(database, device.id)
    assert row.secret_hash == hashlib.sha256(secret.encode()).digest()
    assert secret not in str(tuple(row))


def test_a_device_shows_neither_its_secret_nor_the_hash(database, home):
    device, secret = issue(database, home)
    assert secret not in repr(device)
    assert hashlib.sha256(secret.encode()).hexdigest() not in repr(device)


def test_issuing_is_recorded_without_the_secret(database, home):
    device, secret = issue(database, home)
    [event] = device_events(database)
    assert (event["action"], event["target_id"]) == ("device:secret:issued", device.id)
    assert event["metadata"] == {
        "scopes": ["drive:account:read"],
        "via": "cli",
        "mailbox_id": None,
    }
    assert secret not in str(event)


def test_a_device_and_its_record_are_rolled_back_together(database, home):
    def act(tx):
        devices.issue(tx, account_id=home, label="Phone", scopes=READ, via=Surface.CLI, actor=ALICE)
        raise Invalid("no")

    with pytest.raises(Invalid):
        database.write(act)
    assert database.read(lambda tx: devices.list_devices(tx, account_id=home)) == []
    assert device_events(database) == []


@pytest.mark.parametrize("label", ["", "x" * 65, "a\nb", "\u202eenohP"], ids=ascii)
def test_a_label_that_is_none_is_refused(database, home, label):
    with pytest.raises(Invalid) as refusal:
        issue(database, home, label=label)
    assert refusal.value.field == "label"


@pytest.mark.parametrize("label", ["x" * 64, "📱" * 64, "👩\u200d💻 <b>:smile:</b>"], ids=ascii)
def test_a_label_comes_back_as_typed(database, home, label):
    issue(database, home, label=label)
    [device] = database.read(lambda tx: devices.list_devices(tx, account_id=home))
    assert device.label == label


def test_two_devices_may_have_the_same_label(database, home):
    assert issue(database, home)[0].id != issue(database, home)[0].id


@pytest.mark.parametrize("family", ["account", "mailbox"])
def test_a_device_may_have_what_its_family_has_as_long_as_it_may_read(
    database, home, mailbox, family
):
    mailbox_id = mailbox if family == "mailbox" else None
    granted = set()
    for scopes in EVERY_SET_OF_SCOPES:
        try:
            device, _ = issue(database, home, mailbox_id=mailbox_id, scopes=scopes)
        except Invalid:
            continue
        assert (device.scopes, device.mailbox_id) == (scopes, mailbox_id)
        granted.add(scopes)
    assert granted == {
        words(family, {"read", *others})
        for size in range(4)
        for others in itertools.combinations(("purge", "share", "write"), size)
    }


@pytest.mark.parametrize(("is_bound", "family"), [(False, ACCOUNT_DRIVE), (True, MAILBOX_DRIVE)])
def test_a_refusal_of_scopes_says_which_may_be_chosen(database, home, is_bound, family):
    with pytest.raises(Invalid) as refusal:
        issue(database, home, mailbox_id=1 if is_bound else None, scopes=frozenset())
    assert refusal.value.field == "scopes"
    assert all(scope in refusal.value.message for scope in family)


@pytest.mark.parametrize("days", [1, 3650])
def test_a_life_within_the_limits_is_given(database, home, clock, days):
    device, _ = issue(database, home, expires_in_days=days)
    assert device.expires_at == clock.now + timedelta(days=days)


def test_without_a_limit_a_device_lives_on(database, home):
    assert issue(database, home)[0].expires_at is None


@pytest.mark.parametrize("days", [0, -1, 3651, 10**30])
def test_a_life_beyond_the_limits_is_refused(database, home, days):
    with pytest.raises(Invalid) as refusal:
        issue(database, home, expires_in_days=days)
    assert refusal.value.field == "expires_in_days"


# --- Listing --------------------------------------------------------------------------------


def test_a_device_is_active_until_the_moment_it_expires(database, home):
    device, _ = issue(database, home, expires_in_days=1)
    assert device.state(device.expires_at - timedelta(microseconds=1)) == "active"
    assert device.state(device.expires_at) == "expired"


def test_an_expired_device_that_was_revoked_is_revoked(database, home):
    device, _ = issue(database, home, expires_in_days=1)
    ended, _ = revoke(database, home, device.id)
    assert ended.state(device.expires_at + timedelta(days=1)) == "revoked"


def test_devices_are_listed_whatever_their_state_oldest_first(database, home, clock):
    expired, _ = issue(database, home, expires_in_days=1)
    revoked, _ = issue(database, home)
    revoke(database, home, revoked.id)
    clock.advance(days=2)
    alive, _ = issue(database, home)
    listed = database.read(lambda tx: devices.list_devices(tx, account_id=home))
    assert [each.id for each in listed] == [expired.id, revoked.id, alive.id]
    assert [each.state(clock.now) for each in listed] == ["expired", "revoked", "active"]


def test_bob_sees_none_of_alices_devices(database, home, neighbour):
    issue(database, home)
    assert database.read(lambda tx: devices.list_devices(tx, account_id=neighbour)) == []


@pytest.mark.parametrize("missing", [0, -1, 999, 2**63, 10**30])
def test_a_device_that_is_not_there_is_not_found(database, home, missing):
    with pytest.raises(NotFound):
        database.read(lambda tx: devices.get(tx, account_id=home, device_id=missing))


def test_alices_device_answers_bob_exactly_as_a_missing_one_does(database, home, neighbour):
    device, _ = issue(database, home)
    with pytest.raises(NotFound) as foreign:
        database.read(lambda tx: devices.get(tx, account_id=neighbour, device_id=device.id))
    with pytest.raises(NotFound) as missing:
        database.read(lambda tx: devices.get(tx, account_id=neighbour, device_id=999))
    assert foreign.value.message == missing.value.message.replace("999", str(device.id))


# --- Revoking -------------------------------------------------------------------------------


def test_a_revoked_device_is_revoked_from_now_on(database, home, clock):
    device, _ = issue(database, home)
    clock.advance(hours=1)
    ended, was_alive = revoke(database, home, device.id)
    assert (ended.revoked_at, was_alive) == (clock.now, True)


def test_revoking_says_who_and_why(database, home):
    device, _ = issue(database, home)
    revoke(database, home, device.id, reason="left in a train")
    row = stored(database, device.id)
    assert (row.revoked_by, row.revoked_reason) == ("alice@example.org", "left in a train")


def test_revoking_twice_changes_nothing(database, home, clock):
    device, _ = issue(database, home)
    first, _ = revoke(database, home, device.id)
    clock.advance(hours=1)
    assert revoke(database, home, device.id, reason="again") == (first, False)
    assert [event["action"] for event in device_events(database)] == [
        "device:secret:revoked",
        "device:secret:issued",
    ]


def test_revoking_one_device_leaves_the_others_alone(database, home):
    lost, _ = issue(database, home)
    kept, _ = issue(database, home)
    revoke(database, home, lost.id)
    assert database.read(lambda tx: devices.get(tx, account_id=home, device_id=kept.id)) == kept


def test_revoking_is_recorded_with_its_reason(database, home):
    device, _ = issue(database, home)
    revoke(database, home, device.id, reason="lost")
    event = device_events(database)[0]
    assert (event["action"], event["target_id"]) == ("device:secret:revoked", device.id)
    assert event["metadata"] == {"reason": "lost"}


def test_a_revocation_and_its_record_are_rolled_back_together(database, home):
    device, _ = issue(database, home)

    def act(tx):
        devices.revoke(tx, account_id=home, device_id=device.id, reason="lost", actor=ALICE)
        raise Invalid("no")

    with pytest.raises(Invalid):
        database.write(act)
    assert database.read(lambda tx: devices.get(tx, account_id=home, device_id=device.id)) == device
    assert len(device_events(database)) == 1


def test_bob_can_not_revoke_alices_device(database, home, neighbour):
    device, _ = issue(database, home)
    with pytest.raises(NotFound):
        revoke(database, neighbour, device.id)
    assert stored(database, device.id).revoked_at is None


@pytest.mark.parametrize("reason", ["", "x" * 65, "a\nb"])
def test_a_reason_that_is_none_is_refused(database, home, reason):
    device, _ = issue(database, home)
    with pytest.raises(Invalid) as refusal:
        revoke(database, home, device.id, reason=reason)
    assert refusal.value.field == "reason"
