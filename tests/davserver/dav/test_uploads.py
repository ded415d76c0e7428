"""Files in pieces: rclone's form (v1), and numbers (v2). Clients.md's B14."""

import hashlib

import pytest
from sqlalchemy import update

from storage.identity.tables import plans
from tests.dav_client import PATCH_BODY

AREA = "/dav/uploads/account/up/"
TARGET = "http://localhost/dav/files/account/big"
FORM = "application/x-www-form-urlencoded"
TEN = b"0123456789"


@pytest.fixture
def parts(dav):
    assert dav("DELETE", AREA).status == 404
    assert dav("MKCOL", AREA).status == 201
    for first in (0, 10):
        name = f"{first:015d}-{first + 9:015d}"
        assert dav("PUT", AREA + name, TEN, content_type=FORM).status == 201
    return dav


def finish(dav, **headers):
    return dav("MOVE", f"{AREA}.file", destination=TARGET, **headers)


def test_the_parts_become_one_file_with_its_time_and_checksum(parts):
    sha1 = hashlib.sha1(TEN * 2).hexdigest()
    reply = finish(parts, x_oc_mtime="1577836800", oc_checksum=f"SHA1:{sha1}")
    assert (reply.status, reply["X-OC-Mtime"]) == (201, "accepted")
    assert parts.get("big") == TEN * 2
    [checksums] = parts.propfind("big", "{http://owncloud.org/ns}checksums").props().values()
    assert f"SHA1:{sha1}" in checksums[0].text


def test_a_wrong_checksum_leaves_the_target_alone(parts):
    parts.put("big", b"old")
    assert finish(parts, oc_checksum=f"SHA1:{'0' * 40}").status == 400
    assert parts.get("big") == b"old"


def test_a_gap_leaves_the_target_alone(parts):
    parts("PUT", f"{AREA}{30:015d}-{39:015d}", TEN)
    assert finish(parts).status == 400
    assert parts("HEAD", "big").status == 404


def test_the_last_step_may_be_repeated(parts):
    assert finish(parts).status == 201
    assert finish(parts).status == 204
    assert parts.get("big") == TEN * 2


def test_an_area_that_never_was_is_404(dav):
    assert finish(dav).status == 404


def test_numbers_are_put_together_as_numbers(dav):
    dav("MKCOL", AREA, destination=TARGET)
    for number in (1, 10, 2):
        dav("PUT", f"{AREA}{number}", b"%d," % number, destination=TARGET)
    assert finish(dav, oc_total_length="7").status == 201
    assert dav.get("big") == b"1,2,10,"


def test_a_stale_condition_on_the_target_is_412(parts):
    parts.put("big", b"old")
    assert finish(parts, if_match='"stale"').status == 412
    assert parts.get("big") == b"old"


def test_a_destination_may_be_a_path_alone(parts):
    reply = parts("MOVE", f"{AREA}.file", destination="/dav/files/account/big")
    assert reply.status == 201


def test_over_quota_is_507_and_stores_nothing(dav, cast):
    cast.write(lambda tx: tx.connection.execute(update(plans).values(pool_bytes=15)))
    dav("MKCOL", AREA)
    assert dav("PUT", f"{AREA}1", TEN).status == 201
    reply = dav("PUT", f"{AREA}2", TEN)
    assert (reply.status, reply.condition) == (507, "quota-not-exceeded")


def test_another_device_of_the_account_has_areas_of_its_own(parts, laptop):
    assert laptop("PROPFIND", AREA).status == 404
    assert laptop("DELETE", AREA).status == 404
    assert laptop("MKCOL", AREA).status == 201
    assert finish(parts).status == 201


def test_what_has_arrived_is_listed(parts):
    reply = parts.propfind(AREA, "getcontentlength", depth="1")
    assert len(reply.hrefs) == 3
    assert reply.text("getcontentlength", reply.hrefs[1]) == "10"


def test_an_upload_that_is_given_up_leaves_nothing(parts):
    assert parts("DELETE", AREA).status == 204
    assert parts("PROPFIND", AREA).status == 404


@pytest.mark.parametrize("method", ["GET", "LOCK", "PROPPATCH", "COPY"])
def test_other_methods_are_refused(parts, method):
    body = PATCH_BODY if method == "PROPPATCH" else b""
    assert parts(method, f"{AREA}1", body, destination=TARGET).status in (403, 405)


def test_a_kiosk_may_not(kiosk):
    assert kiosk("MKCOL", AREA).status == 403


def test_bob_s_areas_are_not_alice_s(parts, bob):
    assert bob("PROPFIND", AREA).status == 404
    assert bob("MKCOL", "/dav/uploads/mailbox-1/up").status == 404
