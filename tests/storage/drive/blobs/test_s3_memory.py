"""How much memory a long stream takes on its way to S3 and back."""

from __future__ import annotations

import gc
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from tests import faulty_s3
from tests.byte_sources import MIB, GeneratedSource
from tests.storage.drive.blobs.s3_acts import THREE_PARTS

CHECKOUT = Path(__file__).parents[3]


# Prints how many bytes of memory a stream there and back has taken beyond those of an idle store.
# The high-water mark is the kernel's for this program alone; ru_maxrss would begin with the
# parent's.
STREAMER = """
import re
import sys
from io import BytesIO
from io import BytesIO
from pathlib import Path
from storage.drive.blobs.s3 import S3Blobs
from storage.randomness import system_random
from tests.byte_sources import MIB, GeneratedSource
from tests.real_s3 import s3_config

def kib(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))

blobs = S3Blobs(s3_config(sys.argv[1], sys.argv[2], part_bytes=8 * MIB), random=system_random)
blobs.check()
idle = kib("VmRSS")
size = int(sys.argv[3])
ref = blobs.put(GeneratedSource(size), expected_size=size if sys.argv[4:] else None)
reader = blobs.open(ref)
while reader.read(MIB):
    pass
reader.close()
blobs.delete(ref.key)
blobs.close()
print((kib("VmHWM") - idle) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measured by the kernel's own words")
@pytest.mark.parametrize(
    ("mib", "announced"), [(1024, []), (512, ["announced"])], ids=["unannounced", "announced"]
)
def test_a_long_stream_to_s3_and_back_takes_less_than_64_mib_of_memory(
    rclone, mib: int, announced: list[str]
):
    arguments = [rclone.url, rclone.new_bucket(), str(mib * MIB), *announced]
    taken = int(subprocess.check_output([sys.executable, "-c", STREAMER, *arguments], cwd=CHECKOUT))
    assert taken < 64 * MIB


def large_buffers() -> list[BytesIO]:
    buffers = [each for each in gc.get_objects() if isinstance(each, BytesIO)]
    return [each for each in buffers if not each.closed and each.getbuffer().nbytes >= MIB]


def test_a_part_that_was_sent_twice_is_let_go_at_once(blobs, faulty):
    gc.disable()  # what the library's errors hold in circles would else go at some later time
    try:
        of_other_tests = large_buffers()
        faulty.plan("part", faulty_s3.reset)
        blobs.put(GeneratedSource(THREE_PARTS))
        assert len(large_buffers()) == len(of_other_tests)
    finally:
        gc.enable()
