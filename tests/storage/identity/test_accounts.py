from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from storage.audit import Actor, list_events
from storage.errors import AlreadyExists, Invalid, NotFound
from storage.identity import accounts
from storage.identity.tables import memberships, plans, users
from storage.scopes import ACCOUNT_DRIVE, MAILBOX_DRIVE

ROOT = Actor(type="system", id=None, label="root", ip="192.0.2.1", request_id="r1")
GB = 10**9


def create(database, name="home", owner_email="alice@example.org", **changes):
    values = {"owner_password_hash": "$2b$hash", "actor": ROOT} | changes
    return database.write(
        lambda tx: accounts.create(tx, name=name, owner_email=owner_email, **values)
    )


def test_an_account_is_opened_with_its_owner(database, clock):
    account, owner = create(database, plan="starter")
    assert (account.name, account.plan, account.status) == ("home", "starter", "active")
    assert account.created_at == clock.now
    assert owner.email == "alice@example.org"


def test_an_opened_account_is_listed(database):
    account, _ = create(database)
    assert database.read(accounts.list_accounts) == [account]


def test_accounts_are_listed_in_the_order_in_which_they_were_opened(database):
    for name in ("b", "a", "c"):
        create(database, name, f"{name}@example.org")
    assert [each.name for each in database.read(accounts.list_accounts)] == ["b", "a", "c"]


def test_the_owner_is_an_active_member_with_that_role(database):
    account, owner = create(database)
    row = database.read(lambda tx: tx.connection.execute(select(memberships)).one())
    assert (row.account_id, row.user_id, row.role, row.status) == (
        account.id,
        owner.id,
        "owner",
        "active",
    )


def test_the_password_s_hash_is_kept_as_given(database):
    create(database, owner_password_hash="$2b$something")
    kept = database.read(lambda tx: tx.connection.scalar(select(users.c.password_hash)))
    assert kept == "$2b$something"


def test_an_account_without_a_plan_s_name_is_not_limited(database):
    account, _ = create(database)
    assert account.plan == "unlimited"


def test_opening_an_account_is_recorded(database):
    account, _ = create(database, plan="nano")
    [event] = database.read(list_events)
    assert (event["action"], event["account_id"]) == ("account:self:created", account.id)
    assert event["metadata"] == {"owner": "alice@example.org", "plan": "nano"}


def test_the_record_holds_neither_password_nor_hash(database):
    create(database, owner_password_hash="$2b$planted")
    assert "$2b$planted" not in str(database.read(list_events))


def test_an_account_is_found_by_its_name(database):
    account, _ = create(database, "Größe & Söhne")
    for name in ("Größe & Söhne", " Größe & Söhne ", "Gro\u0308ße & So\u0308hne"):
        assert database.read(lambda tx, n=name: accounts.get_by_name(tx, n)) == account


@pytest.mark.parametrize("name", ["Home", "hom", "%", "", "a\0b", "x" * 100, "\ud800"], ids=ascii)
def test_a_name_that_no_account_has_is_not_found(database, name):
    create(database)
    with pytest.raises(NotFound, match="davserver account list"):
        database.read(lambda tx: accounts.get_by_name(tx, name))


def test_the_owner_is_the_one_who_has_been_there_longest(database):
    account, alice = create(database)
    _, bob = create(database, "bob", "bob@example.org")
    values = {"account_id": account.id, "user_id": bob.id, "role": "owner", "status": "active"}
    database.write(
        lambda tx: tx.connection.execute(memberships.insert().values(**values, created_at=tx.now))
    )
    assert database.read(lambda tx: accounts.get_owner(tx, account.id)) == alice


def test_an_account_without_an_active_owner_has_none(database):
    account, _ = create(database)
    database.write(lambda tx: tx.connection.execute(memberships.update().values(status="revoked")))
    with pytest.raises(NotFound):
        database.read(lambda tx: accounts.get_owner(tx, account.id))


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "\u202eemoh"], ids=ascii)
def test_a_name_that_is_none_is_refused(database, name):
    with pytest.raises(Invalid) as refusal:
        create(database, name)
    assert refusal.value.field == "name"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Alice@Example.ORG", "alice@example.org"),
        (" alice@example.org\n", "alice@example.org"),
        ("owner@localhost", "owner@localhost"),
        ("größe@bücher.example", "größe@bücher.example"),
        ("gro\u0308ße@example.org", "größe@example.org"),
        ("o'hara+tag@example.org", "o'hara+tag@example.org"),
        ("x" * 64 + "@example.org", "x" * 64 + "@example.org"),
    ],
)
def test_an_address_is_kept_in_one_form(typed, kept):
    assert accounts.clean_email(typed) == kept


@pytest.mark.parametrize(
    "address",
    ["", "alice", "@example.org", "alice@", "a@b@c", "alice@example..org", "alice@.org",
     "alice@example.org.", "al ice@example.org", "alice@exam\nple.org", "al\0ice@example.org",
     "al\x7fice@example.org", "al\u202eice@example.org", "al\ud800ice@example.org",
     "x" * 65 + "@example.org", "alice@" + "x" * 250],
    ids=ascii,
)  # fmt: skip
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(Invalid) as refusal:
        accounts.clean_email(address)
    assert refusal.value.field == "email"
    assert refusal.value.message.isprintable()


@pytest.mark.parametrize("name", ["home", " home "])
def test_a_name_is_given_once(database, name):
    create(database)
    with pytest.raises(AlreadyExists, match="'home'"):
        create(database, name, "bob@example.org")


def test_an_address_is_given_once_whatever_its_case(database):
    create(database)
    with pytest.raises(AlreadyExists, match=r"alice@example\.org"):
        create(database, "other", "ALICE@example.org")


def test_a_refused_account_leaves_nothing(database):
    create(database)
    with pytest.raises(AlreadyExists):
        create(database, "other")
    assert [each.name for each in database.read(accounts.list_accounts)] == ["home"]
    assert len(database.read(list_events)) == 1


def test_an_unknown_plan_is_refused_and_the_known_ones_named(database):
    with pytest.raises(NotFound) as refusal:
        create(database, plan="gold")
    assert refusal.value.message == (
        "There is no plan 'gold'. These exist: nano, starter, pro, agency, unlimited."
    )


@pytest.mark.parametrize("same", ["name", "address"])
def test_of_many_that_want_the_same_at_once_one_gets_it(database, same):
    together = Barrier(4)

    def one(number):
        name = "home" if same == "name" else f"home {number}"
        address = "alice@example.org" if same == "address" else f"{number}@example.org"
        together.wait(timeout=30)
        try:
            return create(database, name, address)
        except AlreadyExists:
            return None

    with ThreadPoolExecutor(4) as threads:
        opened = [each for each in threads.map(one, range(4)) if each]
    assert len(opened) == len(database.read(accounts.list_accounts)) == 1


def test_an_install_begins_with_five_plans(database):
    rows = database.read(
        lambda tx: tx.connection.execute(
            select(plans.c.name, plans.c.pool_bytes).order_by(plans.c.id)
        ).all()
    )
    assert [tuple(row) for row in rows] == [
        ("nano", 5 * GB),
        ("starter", 15 * GB),
        ("pro", 50 * GB),
        ("agency", 200 * GB),
        ("unlimited", None),
    ]


def test_every_plan_allows_every_scope_of_a_drive(database):
    allowed = database.read(lambda tx: tx.connection.scalars(select(plans.c.allowed_scopes)).all())
    assert {frozenset(each) for each in allowed} == {ACCOUNT_DRIVE | MAILBOX_DRIVE}
