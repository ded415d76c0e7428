import re

import pytest

from storage.errors import Invalid
from storage.principal import Principal, SignedInBy
from storage.scopes import (
    ACCOUNT_DRIVE,
    MAILBOX_DRIVE,
    Scope,
    check_device_scopes,
    parse_scopes,
)

EIGHT = {
    "drive:account:purge",
    "drive:account:read",
    "drive:account:share",
    "drive:account:write",
    "drive:mailbox:purge",
    "drive:mailbox:read",
    "drive:mailbox:share",
    "drive:mailbox:write",
}
OF_TOKENS = {
    f"{area}:{action}"
    for area, actions in {
        "account": "read write",
        "aliases": "read write",
        "audit": "read",
        "domains": "read create write delete dns:recheck",
        "drive:devices": "read write",
        "mailboxes": "read create write delete password:set invites:create",
        "members": "read write",
        "messages": "read write send",
        "tokens": "read write",
        "webhooks": "read write",
    }.items()
    for action in actions.split()
}
ACCOUNT_FAMILY = ", ".join(sorted(word for word in EIGHT if "account" in word))
MAILBOX_FAMILY = ", ".join(sorted(word for word in EIGHT if "mailbox" in word))


def refusal(words, *, is_bound_to_mailbox):
    with pytest.raises(Invalid) as refused:
        check_device_scopes(parse_scopes(words), is_bound_to_mailbox=is_bound_to_mailbox)
    assert refused.value.field == "scopes"
    return refused.value.message


def test_the_stored_words_never_change():
    assert {str(scope) for scope in Scope} == EIGHT | OF_TOKENS


def test_no_device_may_have_what_only_tokens_may():
    assert {str(scope) for scope in ACCOUNT_DRIVE | MAILBOX_DRIVE} == EIGHT


def test_scopes_stand_in_alphabetical_order():
    assert list(Scope) == sorted(Scope)


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_reads_area_thing_action(scope):
    actions = "create|delete|purge|read|recheck|send|set|share|write"
    assert re.fullmatch(rf"[a-z]+:([a-z]+:)?({actions})", scope)


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_is_named_as_it_is_spelled(scope):
    assert scope.name == scope.upper().replace(":", "_")


def test_the_families_do_not_meet():
    assert ACCOUNT_DRIVE.isdisjoint(MAILBOX_DRIVE)


def test_words_become_scopes():
    assert parse_scopes(["drive:account:read"]) == {Scope.DRIVE_ACCOUNT_READ}


def test_no_words_become_no_scopes():
    assert parse_scopes([]) == frozenset()


@pytest.mark.parametrize(
    "word", ["", "drive", "drive:account:", "drive:account:READ", " drive:account:read", "*"]
)
def test_what_is_not_listed_is_refused(word):
    with pytest.raises(Invalid) as refused:
        parse_scopes([word])
    assert refused.value.message == (
        f"There is no scope {word!r}. These exist: {', '.join(Scope)}."
    )


@pytest.mark.parametrize(
    ("words", "is_bound"),
    [
        (["drive:account:read"], False),
        (sorted(word for word in EIGHT if "account" in word), False),
        (["drive:mailbox:read", "drive:mailbox:write"], True),
    ],
    ids=["read-only", "whole-family", "mailbox"],
)
def test_a_device_may_have_scopes_of_one_family_with_read(words, is_bound):
    check_device_scopes(parse_scopes(words), is_bound_to_mailbox=is_bound)


def test_a_device_without_scopes_is_refused():
    assert refusal([], is_bound_to_mailbox=False) == (
        f"A device needs at least one scope. Choose from {ACCOUNT_FAMILY}."
    )


def test_a_device_that_may_write_but_not_read_is_refused():
    assert refusal(["drive:account:write"], is_bound_to_mailbox=False) == (
        "No device can go without drive:account:read. Add it."
    )


def test_an_account_device_can_not_have_mailbox_scopes():
    words = ["drive:account:read", "drive:mailbox:read"]
    assert refusal(words, is_bound_to_mailbox=False) == (
        "A device for the whole account can't have drive:mailbox:read. "
        f"Choose from {ACCOUNT_FAMILY}."
    )


def test_a_mailbox_device_can_not_have_account_scopes():
    words = ["drive:account:write", "drive:account:read", "drive:mailbox:read"]
    assert refusal(words, is_bound_to_mailbox=True) == (
        "A device bound to a mailbox can't have drive:account:read, drive:account:write. "
        f"Choose from {MAILBOX_FAMILY}."
    )


@pytest.fixture
def kiosk():
    return Principal(
        account_id=1,
        actor_type="device",
        actor_id=7,
        actor_label="Kiosk",
        signed_in_by=SignedInBy.DEVICE,
        scopes=frozenset({Scope.DRIVE_ACCOUNT_READ}),
        device_id=7,
    )


def test_a_principal_may_do_what_its_scopes_say(kiosk):
    assert kiosk.may(Scope.DRIVE_ACCOUNT_READ)


def test_a_principal_may_do_nothing_else(kiosk):
    assert not any(kiosk.may(scope) for scope in Scope if scope != Scope.DRIVE_ACCOUNT_READ)
