import hashlib
from io import BytesIO

import pytest

from storage.drive import chunks, publishing, purging, sweep, uploads
from storage.drive.conditions import Expected
from storage.drive.paths import Path
from storage.drive.uploads import Wanted
from storage.drive.usage import NO_LIMIT, Quota
from storage.errors import AlreadyExists, Changed, Incomplete, Invalid, NotFound, OverQuota

AREA = "rclone-chunked-upload-1"


class Area:
    """One device's upload area, driven by short words."""

    def __init__(self, drive, device=None, quota=NO_LIMIT):
        self.drive, self.device, self.quota = drive, device or drive.phone, quota
        self.mine = {"space": drive.space, "device_id": self.device.id, "name": AREA}

    def begin(self, **more):
        return self.drive.database.write(
            lambda tx: chunks.begin(tx, **self.mine, quota=self.quota, **more)
        )

    def get(self):
        return self.drive.database.read(lambda tx: chunks.get(tx, **self.mine))

    def send(self, name, content):
        upload = self.get()
        spare = self.drive.database.read(lambda tx: chunks.count_spare(tx, upload=upload))
        return publishing.receive(
            self.drive.database,
            self.drive.blobs,
            BytesIO(content),
            space=self.drive.space,
            quota=self.quota,
            spare=spare,
            publishing=lambda tx, staged, reservation: chunks.add_part(
                tx, space=self.drive.space, upload=upload, name=name, staged=staged,
                reservation=reservation, quota=self.quota,
            ),
        )  # fmt: skip

    def parts(self):
        upload = self.get()
        return self.drive.database.read(lambda tx: chunks.list_parts(tx, upload=upload))

    def finish(self, path, *, wanted=None, **more):
        upload = self.get()
        staged = chunks.assemble(
            self.drive.blobs, self.parts(), wanted=wanted or Wanted(), while_reading=None
        )
        try:
            return self.drive.write(
                chunks.finish, upload=upload, **self.drive.at(path), staged=staged,
                actor=self.device, quota=self.quota, **more,
            )  # fmt: skip
        except BaseException:
            uploads.discard(self.drive.database, self.drive.blobs, staged)
            raise

    def finished(self, path):
        return self.drive.database.read(
            lambda tx: chunks.find_finished(
                tx, **self.mine, tree=self.drive.tree, path=Path.parse(path)
            )
        )


@pytest.fixture
def area(drive):
    return Area(drive)


def v1(first, last):
    return f"{first:015d}-{last:015d}"


def swept(drive):
    return list(sweep.sweep(drive.database, drive.blobs, keeping=sweep.Keeping(), lists_store=True))


def test_parts_named_by_their_bytes_become_one_file(area, drive):
    area.begin()
    area.send(v1(5, 9), b"world")
    assert area.send(v1(0, 4), b"hello")
    published = area.finish("/f")
    assert (drive.read("/f"), published.is_new) == (b"helloworld", True)
    assert published.node.sha1 == hashlib.sha1(b"helloworld").digest()
    assert (drive.usage().used_bytes, drive.usage().reserved_bytes) == (10, 0)


def test_parts_named_by_numbers_are_joined_as_numbers(area, drive):
    area.begin(size=6)
    for number in (10, 2, 1):
        area.send(str(number), f"<{number}>".encode()[:2])
    area.finish("/f", wanted=Wanted(size=6))
    assert drive.read("/f") == b"<1<2<1"


def test_a_part_sent_again_replaces_the_first(area, drive):
    area.begin()
    area.send("1", b"old")
    assert not area.send("1", b"new!")
    area.finish("/f")
    assert drive.read("/f") == b"new!"


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        pytest.param({v1(0, 4): b"hello", v1(6, 7): b"xx"}, Wanted(), id="gap"),
        pytest.param({v1(1, 5): b"hello"}, Wanted(), id="no beginning"),
        pytest.param({v1(0, 4): b"hello", v1(4, 5): b"xx"}, Wanted(), id="overlap"),
        pytest.param({v1(0, 5): b"hello"}, Wanted(), id="shorter than its name says"),
        pytest.param({v1(0, 4): b"hello", "2": b"x"}, Wanted(), id="both ways"),
        pytest.param({"1": b"hello"}, Wanted(size=6), id="another size"),
        pytest.param({}, Wanted(size=6), id="nothing"),
        pytest.param({"1": b"hello"}, Wanted(checksums={"md5": bytes(16)}), id="checksum"),
    ],
)
def test_what_is_not_whole_leaves_the_target_as_it_was(area, drive, parts, wanted):
    drive.put("/f", b"old")
    area.begin()
    for name, content in parts.items():
        area.send(name, content)
    with pytest.raises(Incomplete):
        area.finish("/f", wanted=wanted)
    assert drive.read("/f") == b"old"
    assert len(area.parts()) == len(parts)


@pytest.mark.parametrize("name", ["0", "10001", "x", ".file", "5-1", v1(5, 4), "-1"])
def test_names_that_no_part_has(area, name):
    area.begin()
    with pytest.raises(Invalid):
        area.send(name, b"x")


def test_a_refused_end_leaves_the_parts_and_no_copy(area, drive):
    area.begin()
    area.send("1", b"x")
    with pytest.raises(Changed):
        area.finish("/f", expected=Expected(if_match=frozenset({"no"})))
    assert len(list(drive.blobs.list())) == 1
    area.finish("/f")


def test_a_second_end_after_a_lost_answer_is_told_what_the_first_made(area, drive):
    area.begin()
    area.send("1", b"x")
    node = area.finish("/f").node
    assert area.finished("/f").node.id == node.id
    assert area.finished("/other") is None
    drive.put("/f", b"changed since")
    assert area.finished("/f") is None
    with pytest.raises(NotFound):
        area.finish("/f")


def test_areas_are_private_to_their_device(area, drive):
    area.begin()
    other = Area(drive, drive.laptop)
    with pytest.raises(NotFound):
        other.get()
    other.begin()
    with pytest.raises(AlreadyExists):
        area.begin()


def test_parts_count_as_reserved_and_abort_gives_the_room_back(drive):
    area = Area(drive, quota=Quota(pool_bytes=10))
    upload = area.begin(size=6)
    area.send("1", b"123")
    assert drive.usage().reserved_bytes == 6
    area.send("2", b"12345")
    assert drive.usage().reserved_bytes == 8
    with pytest.raises(OverQuota):
        area.send("3", b"123")
    with pytest.raises(OverQuota):
        drive.put("/f", b"123", quota=area.quota)
    drive.database.write(lambda tx: chunks.abort(tx, upload=upload))
    assert drive.usage().reserved_bytes == 0
    swept(drive)
    assert list(drive.blobs.list()) == []


def test_an_announced_size_over_quota_is_refused_at_the_beginning(drive):
    with pytest.raises(OverQuota):
        Area(drive, quota=Quota(pool_bytes=10)).begin(size=11)


def test_an_abandoned_upload_expires_and_its_parts_go(area, drive, clock):
    area.begin()
    area.send("1", b"x")
    clock.advance(hours=23)
    area.send("2", b"x")
    clock.advance(hours=23)
    swept(drive)
    assert len(area.parts()) == 2
    clock.advance(hours=2)
    with pytest.raises(NotFound):
        area.get()
    swept(drive)
    assert (list(drive.blobs.list()), drive.usage().reserved_bytes) == ([], 0)


def test_a_finished_upload_keeps_no_bytes_from_going(area, drive):
    area.begin()
    area.send("1", b"x")
    area.finish("/f")
    drive.delete("/f")
    purging.empty(drive.database, space=drive.space, actor=drive.phone)
    swept(drive)
    assert list(drive.blobs.list()) == []
    assert area.finished("/f") is None


def test_parts_go_after_the_end_and_the_file_stays(area, drive):
    area.begin()
    area.send("1", b"x")
    area.finish("/f")
    swept(drive)
    assert (drive.read("/f"), len(list(drive.blobs.list()))) == (b"x", 1)
