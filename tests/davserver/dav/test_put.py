"""PUT: all or nothing, judged at the commit, with the answers that clients look at."""

import hashlib
from datetime import UTC, datetime

import pytest

from davserver.http.refusals import BodyCutShort
from storage.drive import spaces, usage
from storage.sections import DavConfig
from tests.dav_client import Torn


def test_a_new_file_is_201_and_a_new_content_204(dav):
    assert dav("PUT", "a.txt", b"one").status == 201
    assert dav("PUT", "a.txt", b"two").status == 204
    assert dav.get("a.txt") == b"two"


def test_the_answer_has_what_spares_a_second_request_and_no_body(dav):
    reply = dav("PUT", "a.txt", b"one")
    assert (reply["ETag"], reply["OC-ETag"]) == (dav.etag("a.txt"), dav.etag("a.txt"))
    assert reply["Last-Modified"] == dav("HEAD", "a.txt")["Last-Modified"]
    assert reply["OC-FileId"].endswith("davserver")
    assert reply.raw == b""


def test_the_etag_is_the_same_everywhere_quotes_included(dav):
    etag = dav("PUT", "a.txt", b"one", x_oc_mtime="1577836800")["ETag"]
    assert dav("GET", "a.txt")["ETag"] == etag
    assert dav.propfind("a.txt", "getetag").text("getetag") == etag
    assert dav("PUT", "a.txt", b"two", if_match=etag).status == 204


def test_the_client_s_time_is_kept_and_accepted(dav):
    reply = dav("PUT", "a.txt", b"one", x_oc_mtime="1577836800")
    assert reply["X-OC-Mtime"] == "accepted"
    assert reply["Last-Modified"] == "Wed, 01 Jan 2020 00:00:00 GMT"
    assert dav("HEAD", "a.txt")["Last-Modified"] == "Wed, 01 Jan 2020 00:00:00 GMT"


def test_a_time_that_makes_no_sense_is_ignored(dav, clock):
    reply = dav("PUT", "a.txt", b"one", x_oc_mtime="yesterday")
    assert "x-oc-mtime" not in reply.headers
    assert clock.now == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert reply["Last-Modified"] == "Sun, 01 Mar 2026 12:00:00 GMT"


def test_a_body_that_breaks_off_keeps_the_old_file(dav):
    dav.put("a.txt", b"old")
    reply = dav("PUT", "a.txt", Torn(b"ne", BodyCutShort("cut")), content_length="1000")
    assert reply.status == 400
    assert dav.get("a.txt") == b"old"


def test_a_body_that_breaks_off_leaves_no_new_file(dav):
    dav("PUT", "a.txt", Torn(b"ne", BodyCutShort("cut")), is_chunked=True)
    assert dav("GET", "a.txt").status == 404
    assert dav.members() == []


def test_put_shorter_than_announced_keeps_the_old_file(dav):
    dav.put("a.txt", b"old")
    reply = dav("PUT", "a.txt", b"new", is_chunked=True, x_expected_entity_length="4")
    assert reply.status == 400
    assert dav.get("a.txt") == b"old"


def test_a_chunked_body_of_the_expected_length_is_taken(dav):
    assert dav("PUT", "a", b"new", is_chunked=True, x_expected_entity_length="3").status == 201
    assert dav.get("a") == b"new"


def test_two_announced_lengths_that_differ_are_refused(dav):
    assert dav("PUT", "a", b"new", x_expected_entity_length="4").status == 400
    assert dav("HEAD", "a").status == 404


def test_a_checksum_that_fits_is_taken_and_shown(dav):
    digest = hashlib.sha1(b"one").hexdigest()
    assert dav("PUT", "a", b"one", oc_checksum=f"SHA1:{digest}").status == 201
    [checksum] = dav.propfind("a", "{http://owncloud.org/ns}checksums").props().values()
    assert f"SHA1:{digest}" in checksum[0].text.split()


def test_a_checksum_that_does_not_fit_stores_nothing(dav):
    dav.put("a", b"old")
    assert dav("PUT", "a", b"one", oc_checksum=f"SHA1:{'0' * 40}").status == 400
    assert dav.get("a") == b"old"


@pytest.mark.parametrize("condition", ['"x"', "*"])
def test_if_match_on_a_missing_file_is_412(dav, condition):
    assert dav("PUT", "a", b"one", if_match=condition).status == 412
    assert dav("HEAD", "a").status == 404


def test_if_match_with_an_old_etag_is_412(dav):
    etag = dav.put("a", b"one")["ETag"]
    dav.put("a", b"two")
    assert dav("PUT", "a", b"three", if_match=etag).status == 412
    assert dav.get("a") == b"two"


def test_a_weak_etag_is_no_match_for_a_write(dav):
    etag = dav.put("a", b"one")["ETag"]
    assert dav("PUT", "a", b"two", if_match=f"W/{etag}").status == 412


def test_if_none_match_star_creates_once(dav):
    assert dav("PUT", "a", b"one", if_none_match="*").status == 201
    assert dav("PUT", "a", b"two", if_none_match="*").status == 412
    assert dav.get("a") == b"one"


def test_a_made_up_if_none_match_does_not_keep_joplin_from_writing(dav):
    assert dav("PUT", "a", b"one", if_none_match="JoplinIgnore-3").status == 201
    assert dav("PUT", "a", b"two", if_none_match="JoplinIgnore-3").status == 204


def test_a_token_in_if_on_a_missing_file_is_412(dav):
    assert dav("PUT", "a", b"one", if_="(<urn:uuid:x>)", **{"if": "(<urn:uuid:x>)"}).status == 412


@pytest.mark.parametrize("host", ["http://localhost", "https://drive.example.org", ""])
def test_a_wrong_etag_in_a_tagged_list_protects_the_file(dav, host):
    dav.put("a", b"one")
    tagged = f'<{host}/dav/files/account/a> (["wrong"])'
    assert dav("PUT", "a", b"two", **{"if": tagged}).status == 412
    assert dav.get("a") == b"one"


def test_a_part_of_a_file_is_refused_and_the_file_stays(dav):
    dav.put("a", b"12345")
    assert dav("PUT", "a", b"67890", content_range="bytes 5-9/10").status == 400
    assert dav.get("a") == b"12345"


def test_a_packed_body_is_415(dav):
    assert dav("PUT", "a", b"x", content_encoding="gzip").status == 415


def test_a_slash_at_the_end_is_409_and_makes_nothing(dav):
    assert dav("PUT", "foo/", b"x").status == 409
    assert dav.members() == []


def test_a_missing_parent_is_409(dav):
    assert dav("PUT", "no/a", b"x").status == 409


def test_a_folder_is_405_with_allow(dav):
    dav.mkcol("d")
    reply = dav("PUT", "d", b"x")
    assert reply.status == 405
    assert "PROPFIND" in reply["Allow"]


@pytest.mark.parametrize("name", ["%01", "a%0D%0Ab"])
def test_a_name_that_listings_could_not_show_never_reaches_the_tree(dav, name):
    from davserver.http.refusals import Refused

    with pytest.raises(Refused):
        dav("PUT", name, b"x")


@pytest.mark.parametrize(("length", "status"), [(255, 201), (256, 400)])
def test_a_name_has_255_characters_at_most(dav, length, status):
    assert dav("PUT", "n" * length, b"x").status == status


def test_the_same_name_in_another_unicode_form_is_the_same_file(dav):
    assert dav("PUT", "e%CC%81.txt", b"one").status == 201
    assert dav("PUT", "%C3%A9.txt", b"two").status == 204
    assert dav.members() == ["%C3%A9.txt"]


@pytest.mark.parametrize("dav_settings", [DavConfig(max_upload_bytes=3)], ids=["3 bytes"])
class TestTheLargestFile:
    def test_is_refused_before_the_body_is_read(self, dav):
        reply = dav("PUT", "a", Torn(b"", AssertionError("read")), content_length="4")
        assert reply.status == 413

    def test_is_refused_while_it_comes_in(self, dav):
        assert dav("PUT", "a", b"1234", is_chunked=True).status == 413
        assert dav("HEAD", "a").status == 404

    def test_is_taken_up_to_the_limit(self, dav):
        assert dav("PUT", "a", b"123").status == 201


def test_what_put_replaces_counts_as_used_until_it_is_purged(dav, cast):
    dav.put("a", b"123")
    dav.put("a", b"45")

    def act(tx):
        space = spaces.find(tx, account_id=cast.account("alice"))
        return usage.get(tx, space_id=space.id).used_bytes

    assert cast.read(act) == 5


def test_a_device_that_may_only_read_is_403_and_told_what_it_needs(dav, kiosk):
    reply = kiosk("PUT", "a", b"x")
    assert (reply.status, reply.condition) == (403, "need-privileges")
    assert dav.members() == []


def test_bob_writes_into_his_own_drive_only(dav, bob):
    dav.put("a", b"alice's")
    bob.put("a", b"bob's")
    assert dav.get("a") == b"alice's"


def test_bob_does_not_reach_a_mailbox_of_alice(mary, bob):
    mary.put("a", b"x")
    assert bob("PUT", f"{mary.base}a", b"y").status == 404


def test_above_the_trees_nothing_is_written(dav):
    assert dav("PUT", "/dav/files/", b"x").status == 403
    assert dav("PUT", "/dav/files/other", b"x").status == 404
