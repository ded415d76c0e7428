import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.dav.ranges import Span, Unsatisfiable, frame_multipart, parse_range


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        (None, []),
        ("bytes=0-9", [(0, 9)]),
        ("bytes=10-", [(10, 999)]),
        ("bytes=-10", [(990, 999)]),
        ("bytes=-5000", [(0, 999)]),
        ("bytes=990-5000", [(990, 999)]),
        ("bytes=999-", [(999, 999)]),
        ("BYTES = 0-0", [(0, 0)]),
        ("bytes=0-0,-1", [(0, 0), (999, 999)]),
        ("bytes=500-509, 0-9", [(500, 509), (0, 9)]),
        ("bytes=0-9,5-20", [(0, 20)]),
        ("bytes=5-20,0-9,900-", [(0, 20), (900, 999)]),
        ("bytes=0-9,10-19", [(0, 19)]),
        ("bytes=0-9,50-59", [(0, 59)]),
        ("bytes=0-9,2000-", [(0, 9)]),
        ("bytes=,0-9,", [(0, 9)]),
        ("bytes=0-9," + "0-9," * 62, [(0, 9)]),
        ("bytes=" + "0-9," * 65, []),
        ("items=0-9", []),
        ("bytes", []),
        ("bytes=", []),
        ("bytes=abc", []),
        ("bytes=5-2", []),
        ("bytes=0-9,x", []),
        ("bytes=-", []),
        ("bytes=0 - 9", []),
        ("bytes=٣-9", []),
        ("bytes=0-" + "9" * 40, []),
    ],
)
def test_ranges_are_read_and_nonsense_is_ignored(value: str | None, spans: list[tuple[int, int]]):
    assert parse_range(value, 1000) == tuple(Span(*span) for span in spans)


@pytest.mark.parametrize("value", ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=5000-,-0"])
def test_what_lies_outside_is_416_with_the_size(value: str):
    with pytest.raises(Unsatisfiable) as caught:
        parse_range(value, 1000)
    assert caught.value.content_range == "bytes */1000"


def test_davx5_reading_past_exactly_four_mebibytes_is_told_the_size():
    with pytest.raises(Unsatisfiable) as caught:
        parse_range("bytes=4194304-6291455", 4194304)
    assert caught.value.content_range == "bytes */4194304"


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-9", "bytes=-5"])
def test_an_empty_file_is_sent_whole(value: str):
    assert parse_range(value, 0) == ()


def test_a_span_names_itself_against_the_whole():
    span = Span(10, 19)
    assert span.length == 10
    assert span.content_range(1000) == "bytes 10-19/1000"


spec = st.one_of(
    st.tuples(st.integers(0, 500), st.integers(0, 500)).map(
        lambda pair: f"{min(pair)}-{max(pair)}"
    ),
    st.integers(0, 500).map(lambda first: f"{first}-"),
    st.integers(0, 500).map(lambda length: f"-{length}"),
)


def naive(specs: list[str], size: int) -> set[int]:
    wanted: set[int] = set()
    for text in specs:
        first, _, last = text.partition("-")
        if not first:
            wanted |= set(range(max(0, size - int(last)), size))
        else:
            wanted |= set(range(int(first), min(int(last) + 1 if last else size, size)))
    return wanted


@given(st.lists(spec, min_size=1, max_size=8), st.integers(1, 400))
def test_every_asked_byte_is_sent_once(specs: list[str], size: int):
    wanted = naive(specs, size)
    try:
        spans = parse_range("bytes=" + ",".join(specs), size)
    except Unsatisfiable:
        assert not wanted
        return
    sent = [at for span in spans for at in range(span.first, span.last + 1)]
    assert len(sent) == len(set(sent))
    assert wanted <= set(sent) <= set(range(size))


@given(st.text(alphabet="bytes=0123456789-, x", max_size=40), st.integers(0, 1000))
def test_no_range_reaches_outside_the_file(value: str, size: int):
    try:
        spans = parse_range(value, size)
    except Unsatisfiable:
        return
    assert all(0 <= span.first <= span.last < size for span in spans)


def test_a_multipart_body_has_the_length_that_it_announces():
    content = bytes(range(250)) * 4
    spans = parse_range("bytes=0-4, 500-509, -3", len(content))
    frame = frame_multipart(spans, size=1000, content_type="image/png", boundary="b0undary")
    body = (
        b"".join(head + content[span.first : span.last + 1] for head, span in frame.parts)
        + frame.end
    )
    assert frame.content_type == "multipart/byteranges; boundary=b0undary"
    assert len(body) == frame.content_length
    parts = body.split(b"--b0undary")
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    head, _, first = parts[1].partition(b"\r\n\r\n")
    assert head == b"\r\nContent-Type: image/png\r\nContent-Range: bytes 0-4/1000"
    assert first == content[:5] + b"\r\n"
