"""LOCK, UNLOCK, DELETE, MKCOL and PROPPATCH at the door."""

import pytest

from tests.dav_client import D, lock_body

HERE = "http://localhost/dav/files/account/"


MS = "urn:schemas-microsoft-com:"
NEW_YEAR = "Wed, 01 Jan 2020 00:00:00 GMT"


def mkcol_body(inner):
    body = f'<D:mkcol xmlns:D="DAV:"><D:set><D:prop>{inner}</D:prop></D:set></D:mkcol>'
    return body.encode()


class TestLock:
    def test_the_token_is_in_the_header_and_in_the_body(self, dav):
        dav.put("a")
        reply = dav("LOCK", "a", lock_body(), depth="0", timeout="Second-600")
        assert reply.status == 200
        token = reply["Lock-Token"].strip("<>")
        assert token.startswith("urn:uuid:")
        assert reply.xml.findtext(f".//{D}locktoken/{D}href") == token
        assert reply.xml.findtext(f".//{D}timeout") == "Second-600"
        assert reply.xml.findtext(f".//{D}owner/{D}href") == "me"

    def test_where_nothing_is_an_empty_file_is_made(self, dav):
        assert dav("LOCK", "new", lock_body()).status == 201
        assert dav.get("new") == b""

    def test_a_refused_lock_leaves_no_ghost(self, dav, laptop):
        dav.mkcol("d")
        dav.lock("d")
        assert laptop("LOCK", "d/new", lock_body()).status == 423
        assert dav.members("d") == []

    def test_a_second_exclusive_lock_is_423_and_says_where(self, dav, laptop):
        dav.put("a")
        dav.lock("a")
        reply = laptop("LOCK", "a", lock_body())
        assert (reply.status, reply.condition) == (423, "no-conflicting-lock")
        assert reply.xml.findtext(f".//{D}href") == "/dav/files/account/a"

    def test_two_shared_locks_get_along(self, dav, laptop):
        dav.put("a")
        dav.lock("a", scope="shared")
        laptop.lock("a", scope="shared")

    def test_an_empty_body_renews_with_the_same_token(self, dav):
        dav.put("a")
        token = dav.lock("a")
        reply = dav("LOCK", "a", **{"if": f"(<{token}>)"})
        assert reply.status == 200
        assert reply.xml.findtext(f".//{D}locktoken/{D}href") == token

    def test_another_device_does_not_renew_it(self, dav, laptop):
        dav.put("a")
        token = dav.lock("a")
        assert laptop("LOCK", "a", **{"if": f"(<{token}>)"}).status == 412

    def test_an_expired_lock_is_no_more(self, dav, laptop, clock):
        dav.put("a")
        dav.lock("a", timeout="Second-60")
        clock.advance(seconds=61)
        assert laptop("PUT", "a", b"x").status == 204

    def test_a_write_without_the_token_is_423_and_names_the_lock(self, dav, laptop):
        dav.put("a", b"old")
        dav.lock("a")
        for device in (dav, laptop):
            reply = device("PUT", "a", b"new")
            assert (reply.status, reply.condition) == (423, "lock-token-submitted")
            assert reply.xml.findtext(f".//{D}href") == "/dav/files/account/a"
        assert dav.get("a") == b"old"

    def test_a_token_is_of_no_use_to_another_device(self, dav, laptop):
        dav.put("a")
        token = dav.lock("a")
        assert laptop("PUT", "a", b"x", **{"if": f"(<{token}>)"}).status == 423

    def test_a_kiosk_may_not_lock(self, dav, kiosk):
        dav.put("a")
        assert kiosk("LOCK", "a", lock_body()).status == 403

    def test_bob_does_not_find_it(self, mary, bob):
        mary.put("a")
        assert bob("LOCK", f"{mary.base}a", lock_body()).status == 404


class TestUnlock:
    @pytest.mark.parametrize("form", ["<{}>", "{}"])
    def test_the_lock_is_gone(self, dav, laptop, form):
        dav.put("a")
        token = dav.lock("a")
        assert dav("UNLOCK", "a", lock_token=form.format(token)).status == 204
        assert laptop("PUT", "a", b"x").status == 204

    def test_a_second_unlock_is_no_conflict(self, dav):
        dav.put("a")
        token = dav.lock("a")
        assert dav("UNLOCK", "a", lock_token=f"<{token}>").status == 204
        assert dav("UNLOCK", "a", lock_token=f"<{token}>").status == 204

    def test_a_made_up_token_on_a_locked_file_is_409(self, dav):
        dav.put("a")
        dav.lock("a")
        reply = dav("UNLOCK", "a", lock_token="<urn:uuid:made-up>")
        assert (reply.status, reply.condition) == (409, "lock-token-matches-request-uri")

    def test_another_device_s_lock_is_403(self, dav, laptop):
        dav.put("a")
        token = dav.lock("a")
        assert laptop("UNLOCK", "a", lock_token=f"<{token}>").status == 403

    def test_without_a_token_it_is_400(self, dav):
        dav.put("a")
        assert dav("UNLOCK", "a").status == 400


class TestDelete:
    def test_a_tree_goes_with_one_204(self, dav):
        dav.mkcol("d")
        for number in range(30):
            dav.put(f"d/{number}")
        assert dav("DELETE", "d").status == 204
        assert dav("PROPFIND", "d").status == 404

    def test_a_failing_condition_deletes_nothing(self, dav):
        dav.mkcol("d")
        dav.put("d/a")
        assert dav("DELETE", "d", if_match='"x"').status == 412
        assert dav("DELETE", "d", **{"if": '(["x"])'}).status == 412
        assert dav.members("d") == ["a"]

    def test_a_locked_member_keeps_the_whole_folder(self, dav, laptop):
        dav.mkcol("d")
        dav.put("d/a")
        dav.put("d/b")
        dav.lock("d/a")
        assert laptop("DELETE", "d").status == 423
        assert dav.members("d") == ["a", "b"]

    def test_a_file_with_a_slash_is_404_and_stays(self, dav):
        dav.put("a")
        assert dav("DELETE", "a/").status == 404
        assert dav.members() == ["a"]

    def test_a_part_of_a_folder_is_400(self, dav):
        dav.mkcol("d")
        assert dav("DELETE", "d", depth="0").status == 400

    def test_bob_does_not_find_it(self, mary, bob):
        mary.put("a")
        assert bob("DELETE", f"{mary.base}a").status == 404


class TestMkcol:
    @pytest.mark.parametrize("address", ["d", "d/"])
    def test_a_new_folder_is_201_and_an_old_one_405(self, dav, address):
        assert dav("MKCOL", address).status == 201
        reply = dav("MKCOL", address)
        assert (reply.status, reply.condition) == (405, "resource-must-be-null")

    def test_a_missing_parent_is_409(self, dav):
        assert dav("MKCOL", "no/d").status == 409

    def test_a_body_that_is_no_mkcol_is_415(self, dav):
        assert dav("MKCOL", "d", b"hello", content_type="text/plain").status == 415

    def test_properties_come_along(self, dav):
        kind = "<D:resourcetype><D:collection/></D:resourcetype>"
        body = mkcol_body(f'{kind}<x xmlns="u:">1</x>')
        assert dav("MKCOL", "d", body).status == 201
        assert dav.propfind("d", "{u:}x").text("{u:}x") == "1"

    def test_a_property_that_can_not_be_set_makes_no_folder(self, dav):
        body = mkcol_body("<D:getetag>1</D:getetag>")
        assert dav("MKCOL", "d", body).status == 424
        assert dav.members() == []

    def test_bob_does_not_reach_it(self, mary, bob):
        assert bob("MKCOL", f"{mary.base}d").status == 404


class TestProppatch:
    def set(self, *elements):
        return f"<D:set><D:prop>{''.join(elements)}</D:prop></D:set>"

    def test_all_or_nothing(self, dav):
        dav.put("a")
        reply = dav.proppatch("a", self.set('<x xmlns="u:">1</x>', "<D:getetag>2</D:getetag>"))
        assert reply.statuses() == {"{u:}x": 424, f"{D}getetag": 403}
        assert dav.propfind("a", "{u:}x").missing() == ["{u:}x"]

    def test_properties_change_neither_etag_nor_time(self, dav, clock):
        dav.put("a")
        before = dav("HEAD", "a")
        clock.advance(hours=1)
        assert dav.proppatch("a", self.set('<x xmlns="u:">1</x>')).status == 207
        after = dav("HEAD", "a")
        assert (after["ETag"], after["Last-Modified"]) == (before["ETag"], before["Last-Modified"])

    @pytest.mark.parametrize(
        "element",
        [
            "<D:lastmodified>1577836800</D:lastmodified>",
            f"<D:getlastmodified>{NEW_YEAR}</D:getlastmodified>",
            f'<x:Win32LastModifiedTime xmlns:x="{MS}">{NEW_YEAR}</x:Win32LastModifiedTime>',
        ],
        ids=["rclone", "live", "Windows"],
    )
    def test_the_time_is_set_in_each_spelling(self, dav, element):
        dav.put("a")
        reply = dav.proppatch("a", self.set(element))
        assert (reply.status, set(reply.statuses().values())) == (207, {200})
        assert dav("HEAD", "a")["Last-Modified"] == "Wed, 01 Jan 2020 00:00:00 GMT"

    def test_checksums_that_are_true_may_be_set(self, dav):
        dav.put("a", b"hello")
        inner = "<oc:checksum>SHA1:{}</oc:checksum>"
        oc = f'<oc:checksums xmlns:oc="http://owncloud.org/ns">{inner}</oc:checksums>'
        true = oc.format("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")
        time = "<D:lastmodified>1577836800</D:lastmodified>"
        assert set(dav.proppatch("a", self.set(time, true)).statuses().values()) == {200}
        reply = dav.proppatch("a", self.set(time, oc.format("0" * 40)))
        assert sorted(reply.statuses().values()) == [409, 424]

    def test_a_locked_file_is_423(self, dav, laptop):
        dav.put("a")
        dav.lock("a")
        assert laptop.proppatch("a", self.set('<x xmlns="u:">1</x>')).status == 423

    def test_bob_does_not_find_it(self, mary, bob):
        mary.put("a")
        assert bob.proppatch(f"{mary.base}a", self.set('<x xmlns="u:">1</x>')).status == 404
