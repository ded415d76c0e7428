"""The folders above the trees: read-only, and only what this device may see."""

import pytest

from tests.dav_client import PATCH_BODY

LEVELS = ["/", "/dav", "/dav/", "/dav/files", "/dav/files/", "/dav/uploads/", "/dav/principals/"]


@pytest.mark.parametrize("address", LEVELS)
def test_every_level_is_a_folder(dav, address):
    reply = dav.propfind(address, "resourcetype")
    assert reply.hrefs == [address if address.endswith("/") else f"{address}/"]
    assert reply.props()["{DAV:}resourcetype"].find("{DAV:}collection") is not None


@pytest.mark.parametrize("address", LEVELS)
def test_options_tell_the_classes_everywhere(dav, address):
    reply = dav("OPTIONS", address)
    assert reply.status == 200
    assert {"1", "2", "3"} <= {word.strip() for word in reply["DAV"].split(",")}
    assert reply["MS-Author-Via"] == "DAV"


def test_an_account_device_sees_the_account_s_drive_alone(dav):
    reply = dav.propfind("/dav/files/", "resourcetype", depth="1")
    assert reply.hrefs == ["/dav/files/", "/dav/files/account/"]


def test_a_mailbox_device_sees_its_own_drive_and_what_is_shared(mary):
    reply = mary.propfind("/dav/files/", "resourcetype", depth="1")
    assert reply.hrefs == ["/dav/files/", mary.base, "/dav/files/shared/"]


@pytest.mark.parametrize("address", ["/dav/files/shared/", "/dav/files/mailbox-1/"])
@pytest.mark.parametrize("method", ["PROPFIND", "GET", "PUT", "DELETE", "LOCK", "OPTIONS"])
def test_a_tree_of_others_is_as_if_it_were_not(dav, mary, method, address):
    assert dav(method, address).status == 404


def test_a_mailbox_device_does_not_see_the_account_s_drive(mary):
    assert mary("PROPFIND", "/dav/files/account/").status == 404


@pytest.mark.parametrize("address", ["/dav/files/", "/dav/files/account/", "/", "/dav/"])
def test_mkcol_of_what_is_there_is_405(dav, address):
    reply = dav("MKCOL", address)
    assert reply.status == 405
    assert "Allow".lower() in reply.headers


@pytest.mark.parametrize("address", ["/", "/dav/", "/dav/files/"])
@pytest.mark.parametrize("method", ["DELETE", "PROPPATCH", "LOCK", "MOVE", "COPY"])
def test_a_level_can_not_be_changed(dav, method, address):
    body = PATCH_BODY if method == "PROPPATCH" else b""
    reply = dav(method, address, body, destination="/dav/files/account/x")
    assert reply.status == 403


@pytest.mark.parametrize("method", ["DELETE", "MOVE"])
def test_the_top_of_a_tree_can_not_go(dav, method):
    assert dav(method, "", destination="/dav/files/account/x").status == 403


def test_the_principal_that_is_told_can_be_asked(dav):
    reply = dav.propfind("", "current-user-principal", "owner")
    for name in ("current-user-principal", "owner"):
        href = reply.props()[f"{{DAV:}}{name}"].findtext("{DAV:}href")
        assert dav.propfind(href, "resourcetype").status == 207


def test_infinity_is_refused_above_the_trees(dav):
    reply = dav("PROPFIND", "/dav/files/", depth="infinity")
    assert (reply.status, reply.condition) == (403, "propfind-finite-depth")
