import pytest
from hypothesis import given
from hypothesis import strategies as st

from davserver.dav.destination import (
    Origin,
    encode_path,
    own_origins,
    parse_destination,
    parse_origin,
    path_of_tag,
    without_userinfo,
)
from davserver.dav.errors import Refusal
from storage.errors import Invalid

OURS = own_origins(host_header="files.example.org", public_url="https://dav.example.org:8443/x")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("/dav/files/a.txt", "/dav/files/a.txt"),
        ("/dav/docs/", "/dav/docs/"),
        ("http://files.example.org/a", "/a"),
        ("https://files.example.org/a", "/a"),
        ("HTTPS://Files.Example.ORG:443/a", "/a"),
        ("http://files.example.org:80/a", "/a"),
        ("http://files.example.org./a", "/a"),
        ("https://dav.example.org:8443/a", "/a"),
        ("http://user:pass@files.example.org/a", "/a"),
        ("http://u%40x:p%3A@files.example.org/a", "/a"),
        ("http://files.example.org", "/"),
        ("/what%3F.txt", "/what?.txt"),
        ("/a%23b%3Bc", "/a#b;c"),
        ("/a;b&c=d+e:f!$'()*,@", "/a;b&c=d+e:f!$'()*,@"),
        ("/100%25", "/100%"),
        ("/a%2541", "/a%41"),
        ("/e%CC%81", "/e\u0301"),
        ("/%C3%A9", "/é"),
        ("/Ã©", "/é"),  # raw UTF-8, as WSGI hands it over
        ("/a b", "/a b"),
        ("/a//b", "/a/b"),
        ("/a/./b", "/a/b"),
        ("/a/x/../b", "/a/b"),
        ("/a/x/%2E%2e/b", "/a/b"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/a/...", "/a/..."),
        ("  /a  ", "/a"),
    ],
)
def test_a_destination_of_ours_is_decoded_once(value: str, path: str):
    assert parse_destination(value, origins=OURS) == path


@pytest.mark.parametrize(
    "value",
    [
        "http://elsewhere.example.org/a",
        "http://files.example.org:8080/a",
        "http://dav.example.org:8443/a",
        "https://dav.example.org/a",
        "ftp://files.example.org/a",
        "http://files.example.org@elsewhere.example.org/a",
        "http:///a",
        "http://files.example.org:99999999/a",
        "http://[::1]/a",
    ],
)
def test_a_destination_elsewhere_is_502(value: str):
    with pytest.raises(Refusal) as caught:
        parse_destination(value, origins=OURS)
    assert caught.value.status == 502


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "a.txt",
        "//files.example.org/a",
        "http:/a",
        "/a?b",
        "/a#b",
        "http://files.example.org/a?",
        "http://files.example.org?a",
        "/a%2Fb",
        "/a%2fb",
        "/a%5Cb",
        "/a\\b",
        "/a%00b",
        "/a%0Ab",
        "/a\x7fb",
        "/a%zz",
        "/a%4",
        "/a%",
        "/%ff",
        "/%C3",
        "/\u00ff",
        "/%ED%A0%80",
        "/..",
        "/../a",
        "/a/../../b",
        "/%2e%2e/a",
        "/" + "a" * 20_000,
    ],
)
def test_a_destination_that_could_mean_two_things_is_refused(value: str | None):
    with pytest.raises(Invalid) as caught:
        parse_destination(value, origins=OURS)
    assert caught.value.field == "Destination"


def test_ports_are_written_out_and_ipv6_is_understood():
    assert parse_origin("http", "[2001:DB8::1]:8080") == Origin("http", "[2001:db8::1]", 8080)
    assert parse_origin("https", "h:") == Origin("https", "h", 443)
    assert parse_origin("gopher", "h") is None


def test_without_a_host_only_a_path_can_be_ours():
    origins = own_origins(host_header=None)
    assert parse_destination("/a", origins=origins) == "/a"
    with pytest.raises(Refusal):
        parse_destination("http://x/a", origins=origins)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/a%20b", "/a b"),
        ("http://behind.a.proxy:8080/a", "/a"),
        ("http://host", "/"),
        ("urn:uuid:1", None),
        ("/../a", None),
        ("/%ff", None),
    ],
)
def test_the_url_of_an_if_tag_is_known_by_its_path(url: str, path: str | None):
    assert path_of_tag(url) == path


segment = st.text(
    alphabet=st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\\x7f"),
    min_size=1,
    max_size=20,
).filter(lambda text: text not in (".", ".."))


@given(st.lists(segment, min_size=1, max_size=4), st.booleans())
def test_an_encoded_path_comes_back_whole(segments: list[str], is_folder: bool):
    path = "/" + "/".join(segments) + ("/" if is_folder else "")
    encoded = encode_path(path)
    assert encoded.isascii()
    assert not set(encoded) & set(" \"#&<>?[]\\^`{|}'")
    assert parse_destination(encoded, origins=()) == path


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=40))
def test_any_text_is_a_path_or_refused(value: str):
    try:
        path = parse_destination(value, origins=OURS)
    except (Invalid, Refusal):
        return
    assert path.startswith("/")
    assert ".." not in path.split("/")
    assert "\x00" not in path


@pytest.mark.parametrize(
    ("url", "logged"),
    [
        ("http://user:pass@host/a@b", "http://host/a@b"),
        ("http://host/a", "http://host/a"),
        ("/a//b@c", "/a//b@c"),
    ],
)
def test_no_password_of_a_destination_reaches_the_log(url: str, logged: str):
    assert without_userinfo(url) == logged
