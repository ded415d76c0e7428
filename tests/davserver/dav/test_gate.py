"""The gate: one answer for whatever is wrong, and no right that a device does not have now."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from davserver.dav.gate import NEEDS
from storage.audit import COMMAND_LINE
from storage.identity import devices
from storage.identity.tables import accounts, mailboxes, plans
from storage.identity.tables import devices as devices_table
from storage.sections import DavConfig
from tests.dav_client import Dav

WRITES = sorted(method for method, action in NEEDS.items() if action == "write")


def with_header(dav, value):
    return Dav(dav.app, None)("PROPFIND", "", authorization=value)


@pytest.mark.parametrize(
    "value",
    ["", "Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Basic 4oI6eA==", "Digest x", "Bearer x",
     "Bearer dsync_" + "a" * 38, "Basic /w=="],
)  # fmt: skip
def test_whatever_is_malformed_is_the_same_401(dav, value):
    bare, answer = Dav(dav.app, None)("PROPFIND", ""), with_header(dav, value)
    assert (answer.status, answer.body) == (401, bare.body)
    assert answer["WWW-Authenticate"] == 'Basic realm="Files", charset="UTF-8"'


def revoke(cast, dav):
    cast.write(
        lambda tx: devices.revoke(
            tx, account_id=dav.device.account_id, device_id=dav.device.id, reason="lost",
            actor=COMMAND_LINE,
        )
    )  # fmt: skip


def test_a_revoked_device_is_out_from_the_next_request(cast, dav):
    dav.propfind()
    revoke(cast, dav)
    answer = dav("PROPFIND", "")
    assert (answer.status, answer.body) == (401, Dav(dav.app, None)("PROPFIND", "").body)


def test_an_expired_device_is_out(cast, dav, clock):
    mine = devices_table.c.id == dav.device.id
    end = clock.now + timedelta(hours=1)
    cast.write(
        lambda tx: tx.connection.execute(update(devices_table).where(mine).values(expires_at=end))
    )
    assert dav("PROPFIND", "").status == 207
    clock.advance(hours=1)
    assert dav("PROPFIND", "").status == 401


def test_a_suspended_account_signs_nobody_in(cast, dav):
    cast.write(lambda tx: tx.connection.execute(update(accounts).values(status="suspended")))
    assert dav("PROPFIND", "").status == 401


@pytest.mark.parametrize(
    "values", [{"status": "disabled"}, {"status": "suspended"}, {"login_suspended_at": "now"}],
    ids=str,
)  # fmt: skip
def test_a_mailbox_that_may_not_sign_in_ends_its_devices(cast, mary, clock, values):
    values = {key: clock.now if value == "now" else value for key, value in values.items()}
    assert mary("PROPFIND", "").status == 207
    cast.write(lambda tx: tx.connection.execute(update(mailboxes).values(values)))
    assert mary("PROPFIND", "").status == 401


def test_a_mailbox_without_drive_access_has_no_rights(cast, mary):
    cast.write(lambda tx: tx.connection.execute(update(mailboxes).values(drive_access="disabled")))
    answer = mary("PROPFIND", "")
    assert (answer.status, answer.condition) == (403, "need-privileges")


def test_a_plan_that_allows_less_cuts_the_rights_of_every_device(cast, dav):
    reads = ("drive:account:read",)
    cast.write(lambda tx: tx.connection.execute(update(plans).values(allowed_scopes=reads)))
    assert dav("PROPFIND", "").status == 207
    assert dav("PUT", "a", b"x").status == 403


def test_every_method_that_changes_something_needs_write(kiosk):
    assert {method: kiosk(method, "x").status for method in WRITES} == dict.fromkeys(WRITES, 403)


@pytest.mark.parametrize("method", ["POST", "ACL", "SEARCH", "BREW", "PATCH"])
def test_a_method_that_is_not_there_is_405_with_allow(dav, method):
    answer = dav(method, "")
    assert answer.status == 405
    assert "PROPFIND" in answer["Allow"]
    assert "PATCH" not in answer["Allow"].split(", ")


class TestPlainHttp:
    def test_from_another_machine_is_refused_before_the_password_is_read(self, dav):
        dav.peer = "192.0.2.1"
        answer = dav("PROPFIND", "")
        assert answer.status == 403
        assert "www-authenticate" not in answer.headers

    def test_over_tls_is_none(self, dav):
        dav.peer, dav.scheme = "192.0.2.1", "https"
        assert dav("PROPFIND", "").status == 207

    @pytest.mark.parametrize("dav_settings", [DavConfig(allow_plain_http=True)], ids=["allowed"])
    def test_is_taken_where_the_operator_says_so(self, dav):
        dav.peer = "192.0.2.1"
        assert dav("PROPFIND", "").status == 207


class TestWhatIsNoted:
    def row(self, cast, dav):
        mine = devices_table.c.id == dav.device.id
        return cast.read(lambda tx: tx.connection.execute(select(devices_table).where(mine)).one())

    def test_the_last_use_with_address_and_client(self, cast, dav, clock):
        dav("PROPFIND", "", user_agent="Finder")
        row = self.row(cast, dav)
        assert (row.last_used_at, row.last_used_ip) == (clock.now, "127.0.0.1")
        assert row.last_used_client == "Finder"

    def test_one_write_a_minute_is_enough(self, cast, dav, clock):
        dav("PROPFIND", "")
        first = clock.now
        clock.advance(seconds=5)
        dav("PROPFIND", "")
        assert self.row(cast, dav).last_used_at == first

    def test_a_dead_secret_that_knocks_counts_on_its_own_row_only(self, cast, dav, laptop):
        revoke(cast, dav)
        dav("PROPFIND", "")
        assert self.row(cast, dav).knock_count == 1
        assert self.row(cast, dav).last_used_at is None
        assert self.row(cast, laptop).knock_count == 0
        assert laptop("PROPFIND", "").status == 207


def test_no_secret_and_no_internals_are_in_a_refusal(dav):
    answer = with_header(dav, f"Basic {dav.secret}")
    assert dav.secret.encode() not in answer.body
