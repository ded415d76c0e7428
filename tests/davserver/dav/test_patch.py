"""PATCH: only to ask for a checksum, as rclone does after it has set a time."""


def test_the_checksum_is_told(dav):
    dav.put("a", b"hello")
    reply = dav("PATCH", "a", x_recalculate_hash="sha1")
    assert reply.status == 204
    assert reply["OC-Checksum"] == "SHA1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"


def test_a_part_of_a_file_is_not_taken(dav):
    dav.put("a", b"hello")
    assert dav("PATCH", "a", b"x", x_update_range="bytes=0-0").status == 405
    assert dav.get("a") == b"hello"


def test_bob_does_not_find_it(mary, bob):
    mary.put("a")
    assert bob("PATCH", f"{mary.base}a", x_recalculate_hash="sha1").status == 404
