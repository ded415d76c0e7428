import base64
import hashlib
import re

import pytest
from lxml import html

from davserver.dav.content_types import UNKNOWN_TYPE, guess_type, is_well_formed, type_to_keep
from davserver.dav.pages import (
    LISTING_HEADERS,
    content_disposition,
    file_headers,
    readable_size,
    render_listing,
)
from tests.davserver.dav.samples import Row, folder

EVIL = '<script>alert("x")</script>&"\''


class TestListing:
    def test_names_are_shown_as_text_and_linked_by_their_hrefs(self):
        page = "".join(render_listing("/dav/files/a & b/", [folder(name="d#"), Row(name=EVIL)]))
        document = html.fromstring(page)
        links = [(it.get("href"), it.text) for it in document.iter("a")]
        assert links == [
            ("/dav/files/", "One folder up"),
            ("/dav/files/a%20%26%20b/d%23/", "d#/"),
            ("/dav/files/a%20%26%20b/" + Row(name=EVIL).name_href, EVIL),
        ]
        assert document.findtext(".//h1") == "/dav/files/a & b/"

    def test_nothing_in_it_can_run(self):
        page = "".join(render_listing(f"/{EVIL}/", [Row(name=EVIL)]))
        assert "<script" not in page
        policy = dict(LISTING_HEADERS)["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy

    def test_its_style_is_the_one_that_the_policy_allows(self):
        page = "".join(render_listing("/", []))
        (style,) = re.findall("<style>(.*)</style>", page)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in dict(LISTING_HEADERS)["Content-Security-Policy"]

    def test_at_the_top_there_is_no_way_up(self):
        assert "One folder up" not in "".join(render_listing("/", [], is_top=True))

    def test_sizes_and_times_are_readable(self):
        page = "".join(render_listing("/", [Row(size=1_572_864)]))
        assert "1.5 MiB" in page
        assert "2020-01-02 03:04" in page


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2**40, "5.0 TiB"),
     (2**63, "8192.0 PiB")],
)  # fmt: skip
def test_sizes_are_written_for_people(size: int, text: str):
    assert readable_size(size) == text


class TestServedFiles:
    @pytest.mark.parametrize(
        "content_type",
        [
            "text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml", "image/svg+xml",
            "application/xml", "text/xml", "application/pdf", "text/javascript", "x/unknown", None,
        ],
    )  # fmt: skip
    def test_what_could_run_is_offered_for_saving(self, content_type: str | None):
        headers = dict(file_headers("a", content_type))
        assert headers["Content-Disposition"].startswith("attachment;")
        assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize("content_type", ["image/png", "text/plain; charset=utf-8"])
    def test_what_can_not_run_is_shown_in_the_same_sandbox(self, content_type: str):
        headers = dict(file_headers("a", content_type))
        assert headers["Content-Disposition"].startswith("inline;")
        assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert headers["Content-Type"] == content_type

    @pytest.mark.parametrize("content_type", ["text/plain\r\nX: y", "junk", "a/b, c/d", "a/\u2028"])
    def test_a_stored_type_can_not_break_the_headers(self, content_type: str):
        assert dict(file_headers("a", content_type))["Content-Type"] == UNKNOWN_TYPE

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("a b.txt", "filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"),
            ("é€.txt", "filename=\"__.txt\"; filename*=UTF-8''%C3%A9%E2%82%AC.txt"),
            ('a"\\%41;.txt', "filename=\"a___41;.txt\"; filename*=UTF-8''a%22%5C%2541%3B.txt"),
            ("a\r\nb", "filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
            ("a\ud800", "filename=\"a_\"; filename*=UTF-8''a%3F"),
        ],
    )
    def test_names_are_given_in_ascii_and_whole(self, name: str, expected: str):
        text = content_disposition("attachment", name)
        assert text == f"attachment; {expected}"
        text.encode("ascii")


class TestContentTypes:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("a.txt", "text/plain"),
            ("A.JPG", "image/jpeg"),
            ("a.tar.gz", "application/gzip"),
            ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ("README", UNKNOWN_TYPE),
            ("a.", UNKNOWN_TYPE),
            ("a.unheard-of", UNKNOWN_TYPE),
        ],
    )
    def test_a_name_speaks_for_a_type(self, name: str, expected: str):
        assert guess_type(name) == expected
        assert is_well_formed(expected)

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("image/png", "image/png"),
            ('text/plain; charset="utf-8"', 'text/plain; charset="utf-8"'),
            (None, "text/plain"),
            ("", "text/plain"),
            ("application/octet-stream", "text/plain"),
            ("application/x-www-form-urlencoded", "text/plain"),
            ("ISO-8859-1", "text/plain"),
            ("text/<b>", "text/plain"),
            ("text/plain\r\nX: y", "text/plain"),
            ("a/" + "b" * 200, "text/plain"),
        ],
    )
    def test_an_uploaders_type_is_kept_where_it_tells_something(self, given, kept: str):
        assert type_to_keep(given, "a.txt") == kept
