"""Answers to PROPFIND, read back as a strict client would read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from sqlalchemy import create_engine, text

from davserver.dav.answers import gone, sync_token, truncated
from davserver.dav.entries import Surroundings, as_entries
from davserver.dav.lockxml import ShownLock
from davserver.dav.multistatus import Place, multistatus, renderer_for
from davserver.dav.properties import LIVE_PROPERTIES, Shown
from davserver.dav.xmlnames import OWNCLOUD, dav
from davserver.dav.xmlrequests import ALL_PROPERTIES, Asked, PropfindRequest, parse_propfind
from tests.davserver.dav.samples import Propstats, Row, folder, parsed, propfind

TREE = "/dav/files/account/"
OC = f"{{{OWNCLOUD}}}"
EXECUTABLE = "{http://apache.org/dav/props/}executable"
LOCK = ShownLock("urn:uuid:1", "exclusive", "0", "Alice", 600, f"{TREE}a.txt")


def named(*names: str) -> PropfindRequest:
    return PropfindRequest(Asked.NAMED, names)


def asked_of(
    entry: Row,
    request: PropfindRequest,
    surroundings: Surroundings | None = None,
    *,
    minimal: bool = False,
    place: Place = Place.MEMBER,
) -> Propstats:
    renderer = renderer_for(request, minimal=minimal)
    response = renderer.bind(surroundings or Surroundings()).one(
        TREE + entry.name_href, entry, place
    )
    ((_, propstats),) = parsed(b"".join(multistatus(renderer.prefixes, [response])))
    return propstats


def value(entry: Row, name: str, surroundings: Surroundings | None = None) -> str | None:
    """Return the text of a property, None where it is missing."""
    found = asked_of(entry, named(name), surroundings)
    return "".join(found[200][name].itertext()) if 200 in found else None


def children_of(entry: Row, name: str, surroundings: Surroundings | None = None) -> list[str]:
    element = asked_of(entry, named(name), surroundings)[200][name]
    return [etree.QName(it).localname for it in element.iter()][1:]


class TestValues:
    @pytest.mark.parametrize(
        ("name", "of_file", "of_folder"),
        [
            (dav("displayname"), "a.txt", "docs"),
            (dav("getcontentlength"), "42", None),
            (dav("getcontenttype"), "text/plain", None),
            (dav("getetag"), '"e7"', '"e7"'),
            (dav("getlastmodified"), "Thu, 02 Jan 2020 03:04:05 GMT",
             "Thu, 02 Jan 2020 03:04:05 GMT"),
            (dav("creationdate"), "2019-12-31T23:59:59Z", "2019-12-31T23:59:59Z"),
            (dav("iscollection"), "0", "1"),
            (dav("getcontentlanguage"), None, None),
            (dav("quota-used-bytes"), None, "10"),
            (dav("quota-available-bytes"), None, "90"),
            (dav("sync-token"), None, "urn:t:5&6"),
            (dav("owner"), "/p/", "/p/"),
            (dav("current-user-principal"), "/me/", "/me/"),
            (OC + "id", "00000007here", "00000007here"),
            (OC + "fileid", "7", "7"),
            (OC + "size", "42", None),
            (OC + "permissions", "GDNVW", "GDNVCK"),
        ],
    )  # fmt: skip
    def test_each_property_says_what_it_should(self, name, of_file, of_folder):
        around = Surroundings(
            may_write=True, principal_href="/me/", owner_href="/p/", used_bytes=10,
            available_bytes=90, sync_token=lambda _: "urn:t:5&6", instance="here",
        )  # fmt: skip
        assert value(Row(), name, around) == of_file
        assert value(folder(), name, around) == of_folder

    def test_a_folder_is_a_collection_and_a_file_is_not(self):
        assert children_of(folder(), dav("resourcetype")) == ["collection"]
        assert children_of(Row(), dav("resourcetype")) == []

    def test_what_nobody_knows_is_missing(self):
        for name in ("quota-used-bytes", "quota-available-bytes", "sync-token", "owner"):
            assert value(folder(), dav(name)) is None

    def test_an_unlimited_tree_has_no_available_bytes_but_used_ones(self):
        around = Surroundings(used_bytes=10)
        assert value(folder(), dav("quota-available-bytes"), around) is None
        assert value(folder(), dav("quota-used-bytes"), around) == "10"

    def test_checksums_are_one_text(self):
        row = Row(sha1=b"\x01" * 20, md5=b"\x02" * 16)
        found = asked_of(row, named(OC + "checksums"))[200][OC + "checksums"]
        assert [it.tag for it in found] == [OC + "checksum"]
        assert found[0].text == f"SHA1:{'01' * 20} MD5:{'02' * 16}"

    def test_a_file_without_checksums_has_none(self):
        assert value(Row(), OC + "checksums") is None

    def test_a_file_of_unknown_type_has_the_type_of_the_unknown(self):
        assert value(Row(content_type=None), dav("getcontenttype")) == "application/octet-stream"

    def test_a_type_can_not_break_the_listing(self):
        assert value(Row(content_type="<&>"), dav("getcontenttype")) == "<&>"

    def test_privileges_tell_whether_the_device_may_write(self):
        name = dav("current-user-privilege-set")
        writing = Surroundings(may_write=True)
        assert "write" not in children_of(Row(), name)
        assert {"write", "write-content"} <= set(children_of(Row(), name, writing))
        assert "bind" not in children_of(Row(), name, writing)
        assert {"bind", "unbind"} <= set(children_of(folder(), name, writing))

    def test_supported_locks_are_empty_for_a_device_that_may_not_write(self):
        assert children_of(Row(), dav("supportedlock")) == []
        names = children_of(Row(), dav("supportedlock"), Surroundings(may_write=True))
        assert names.count("lockentry") == 2

    def test_only_folders_of_a_tree_can_be_synced(self):
        name = dav("supported-report-set")
        assert "sync-collection" in children_of(
            folder(), name, Surroundings(sync_token=lambda _: "t")
        )
        assert children_of(folder(), name) == []
        assert children_of(Row(), name, Surroundings(sync_token=lambda _: "t")) == []

    def test_own_and_inherited_locks_are_discovered(self):
        above = ShownLock("urn:uuid:2", "shared", "infinity", "<a/>", 5, TREE)
        around = Surroundings(locks={7: [LOCK]}, inherited_locks=[above])
        found = asked_of(Row(), named(dav("lockdiscovery")), around)[200][dav("lockdiscovery")]
        tokens = [it.findtext(f"{dav('locktoken')}/{dav('href')}") for it in found]
        assert tokens == ["urn:uuid:1", "urn:uuid:2"]
        assert value(Row(id=8), dav("lockdiscovery"), Surroundings(locks={7: [LOCK]})) == ""


class TestForm:
    def test_the_200_propstat_comes_first_whatever_the_order_asked(self):
        renderer = renderer_for(named("{SAR:}nope", dav("getetag")))
        answer = renderer.bind().one(f"{TREE}a.txt", Row())
        assert answer.index("200 OK") < answer.index("404 Not Found")

    def test_exactly_what_was_asked_is_answered(self):
        found = asked_of(Row(), named(dav("getetag"), "{SAR:}nope", "plain"))
        assert {status: set(names) for status, names in found.items()} == {
            200: {dav("getetag")},
            404: {"{SAR:}nope", "plain"},
        }

    def test_minimal_leaves_the_missing_out(self):
        asked = named(dav("getetag"), "{SAR:}nope")
        assert set(asked_of(Row(), asked, minimal=True)) == {200}

    @pytest.mark.parametrize("minimal", [True, False])
    def test_a_request_for_nothing_gets_an_empty_propstat(self, minimal: bool):
        assert asked_of(Row(), named(), minimal=minimal) == {200: {}}

    def test_minimal_still_answers_when_all_is_missing(self):
        assert asked_of(Row(), named("{SAR:}nope"), minimal=True) == {200: {}}
        assert set(asked_of(Row(), named("{SAR:}nope"))) == {404}

    def test_prefixes_are_declared_once_and_there_is_no_default_namespace(self):
        renderer = renderer_for(named(dav("getetag"), OC + "id", "{urn:a&b}c", "{SAR:}d", "e"))
        body = b"".join(
            multistatus(renderer.prefixes, [renderer.bind().one(f"{TREE}a.txt", Row())])
        )
        assert b'<D:multistatus xmlns:D="DAV:"' in body
        assert b"xmlns=" not in body
        assert body.count(b"xmlns:oc=") == 1
        assert body.startswith(b'<?xml version="1.0" encoding="utf-8"?>')
        assert parsed(body)[0][1].keys() == {200, 404}

    def test_a_property_in_the_namespace_of_xml_is_just_missing(self):
        name = "{http://www.w3.org/XML/1998/namespace}nope"
        assert set(asked_of(Row(), named(name))[404]) == {name}

    def test_values_have_no_blanks_around_them(self):
        answer = renderer_for(ALL_PROPERTIES).bind().one(f"{TREE}a.txt", Row())
        assert "\n" not in answer
        assert "> <" not in answer

    @pytest.mark.parametrize(
        ("entry", "href"),
        [
            (Row(), "/dav/files/account/a.txt"),
            (folder(), "/dav/files/account/docs/"),
            (Row(name="a&b #1%.txt"), "/dav/files/account/a%26b%20%231%25.txt"),
            (Row(name="é"), "/dav/files/account/%C3%A9"),
        ],
    )
    def test_hrefs_of_members_are_encoded_paths(self, entry: Row, href: str):
        renderer = renderer_for(ALL_PROPERTIES)
        members = renderer.bind().members(TREE, [entry])
        assert parsed(b"".join(multistatus(renderer.prefixes, members)))[0][0] == href

    @pytest.mark.parametrize("href", ["/", "/dav/files", "/dav/files/", "/100%25/"])
    def test_folders_end_with_a_slash_however_they_were_asked_for(self, href: str):
        renderer = renderer_for(ALL_PROPERTIES)
        body = b"".join(multistatus(renderer.prefixes, [renderer.bind().one(href, folder())]))
        assert parsed(body)[0][0] == href.rstrip("/") + "/"

    def test_a_root_without_a_name_has_no_displayname(self):
        assert value(folder(name=""), dav("displayname")) is None

    @given(
        st.text(
            alphabet=st.characters(
                exclude_categories=("Cs", "Cc"), exclude_characters="/\ufffe\uffff"
            ),
            min_size=1,
            max_size=30,
        )
    )
    def test_any_name_comes_through(self, name: str):
        assert value(Row(name=name), dav("displayname")) == name

    def test_one_poisoned_name_costs_a_question_mark_and_not_the_listing(self):
        assert value(Row(name="a\ud800"), dav("displayname")) == "a?"

    def test_finder_finds_one_href_per_response(self):
        """Finder takes any element called href for the name of a file."""
        body = propfind("getlastmodified", "getcontentlength", "creationdate", "resourcetype")
        around = Surroundings(
            may_write=True, principal_href="/me/", locks={7: [LOCK]}, owner_href="/me/"
        )
        renderer = renderer_for(parse_propfind(body))
        answer = renderer.bind(around).one(f"{TREE}a.txt", Row())
        assert answer.count("<D:href>") == 1


class TestAllprop:
    def test_members_show_what_windows_needs_and_little_more(self):
        found = asked_of(folder(), ALL_PROPERTIES, Surroundings(used_bytes=1, available_bytes=2))
        assert found.keys() == {200}
        assert {etree.QName(name).localname for name in found[200]} == {
            "creationdate", "displayname", "getetag", "getlastmodified", "resourcetype",
        }  # fmt: skip

    def test_the_folder_asked_about_shows_its_quota_to_npm_webdav(self):
        around = Surroundings(used_bytes=1, available_bytes=2)
        first = asked_of(folder(), ALL_PROPERTIES, around, place=Place.FIRST)[200]
        assert dav("quota-available-bytes") in first
        assert dav("lockdiscovery") not in first

    def test_a_resource_asked_about_alone_shows_its_locks(self):
        alone = asked_of(Row(), ALL_PROPERTIES, Surroundings(locks={7: [LOCK]}), place=Place.ALONE)
        assert "urn:uuid:1" in "".join(alone[200][dav("lockdiscovery")].itertext())
        assert dav("supportedlock") in alone[200]

    def test_included_properties_come_too_and_are_reported_when_missing(self):
        request = PropfindRequest(Asked.ALL, (OC + "id", "{SAR:}nope", dav("getetag")))
        found = asked_of(Row(), request)
        assert {OC + "id", dav("getetag"), dav("displayname")} <= set(found[200])
        assert set(found[404]) == {"{SAR:}nope"}

    def test_2000_files_stay_below_the_megabyte_that_windows_reads(self):
        rows = [Row(id=number, name=f"Holiday 2019 {number:04d}.jpg") for number in range(2000)]
        renderer = renderer_for(ALL_PROPERTIES)
        members = renderer.bind().members("/dav/files/mailbox-12/photos/", rows)
        assert sum(map(len, multistatus(renderer.prefixes, members))) < 1_000_000


class TestDeadProperties:
    XML = f'<a:executable xmlns:a="{EXECUTABLE[1:].partition("}")[0]}">T</a:executable>'
    OTHER = '<S:l xmlns:S="SAR:" xml:lang="de">a&amp;b<c/></S:l>'
    AROUND = Surroundings(dead={7: {EXECUTABLE: XML, "{SAR:}l": OTHER}})

    def test_one_that_is_asked_for_is_spliced_in(self):
        found = asked_of(Row(), named(EXECUTABLE, dav("getetag")), self.AROUND)
        assert found[200][EXECUTABLE].text == "T"
        assert set(found[200]) == {EXECUTABLE, dav("getetag")}

    def test_an_entry_that_lacks_it_reports_it_missing(self):
        around = Surroundings(dead={7: {"{SAR:}l": self.OTHER}})
        for entry in (Row(), Row(id=8), folder(id=8)):
            found = asked_of(entry, named(EXECUTABLE, dav("getetag")), around)
            assert (set(found[200]), set(found[404])) == ({dav("getetag")}, {EXECUTABLE})
            found = asked_of(entry, named(EXECUTABLE, dav("getetag")), around, minimal=True)
            assert set(found) == {200}

    def test_allprop_shows_them_all_once(self):
        found = asked_of(Row(), ALL_PROPERTIES, self.AROUND)[200]
        assert etree.tostring(found["{SAR:}l"]).decode().count("<c") == 1
        assert {EXECUTABLE, "{SAR:}l", dav("getetag")} <= set(found)
        included = PropfindRequest(Asked.ALL, (EXECUTABLE,))
        assert EXECUTABLE in asked_of(Row(), included, self.AROUND)[200]
        assert EXECUTABLE not in asked_of(Row(id=8), ALL_PROPERTIES, self.AROUND)[200]

    def test_they_are_shown_in_listings(self):
        renderer = renderer_for(named(EXECUTABLE))
        members = renderer.bind(self.AROUND).members(TREE, [Row(), Row(id=8, name="b")])
        found = parsed(b"".join(multistatus(renderer.prefixes, members)))
        assert [set(propstats) for _, propstats in found] == [{200}, {404}]

    def test_a_percent_sign_in_one_is_only_text(self):
        around = Surroundings(dead={7: {"{urn:x}p": '<p xmlns="urn:x">100%s %d</p>'}})
        assert value(Row(), "{urn:x}p", around) == "100%s %d"
        assert asked_of(Row(), ALL_PROPERTIES, around)[200]["{urn:x}p"].text == "100%s %d"

    def test_they_need_fetching_only_when_one_may_be_shown(self):
        assert not renderer_for(named(dav("getetag"))).needs_dead
        assert renderer_for(named(EXECUTABLE)).needs_dead
        assert renderer_for(ALL_PROPERTIES).needs_dead
        assert renderer_for(PropfindRequest(Asked.NAMES)).needs_dead


class TestPropname:
    def test_names_come_without_values(self):
        around = Surroundings(
            sync_token=lambda _: "t", used_bytes=1, dead={7: {"{SAR:}l": "<x/>", "n": ""}}
        )
        found = asked_of(folder(), PropfindRequest(Asked.NAMES), around)
        assert found.keys() == {200}
        assert all(len(it) == 0 and not it.text for it in found[200].values())
        assert {dav("sync-token"), dav("lockdiscovery"), "{SAR:}l", "n"} <= set(found[200])
        assert dav("quota-available-bytes") not in found[200]
        assert dav("getcontentlength") not in found[200]


class TestWhatIsFetched:
    @pytest.mark.parametrize(
        ("name", "need"),
        [
            (dav("lockdiscovery"), "needs_locks"),
            (dav("quota-used-bytes"), "needs_quota"),
            (OC + "checksums", "needs_checksums"),
            (dav("sync-token"), "needs_sync_token"),
        ],
    )
    def test_each_need_is_told(self, name: str, need: str):
        assert getattr(renderer_for(named(name)), need)
        assert not getattr(renderer_for(named(dav("getetag"))), need)

    def test_only_the_columns_asked_for_are_touched(self):
        class Narrow:
            id, kind, name_href, size = 1, "file", "a", 5

        answer = renderer_for(named(dav("getcontentlength"))).bind().one(f"{TREE}a", Narrow())  # type: ignore[arg-type]
        assert "<D:getcontentlength>5</D:getcontentlength>" in answer


class TestDatabaseRows:
    """Rows as SQLAlchemy gives them, which know their fields."""

    def test_rows_become_tuples_that_render_alike(self):
        engine = create_engine("sqlite://")
        with engine.connect() as connection:
            query = text("SELECT 1 AS id, 'file' AS kind, 'a' AS name_href, 5 AS size")
            rows = connection.execute(query.columns()).all() * 3
        engine.dispose()
        listing = renderer_for(named(dav("getcontentlength"))).bind()
        entries = list(as_entries(rows))
        assert list(listing.members(TREE, entries)) == list(listing.members(TREE, rows))
        assert [entry.size for entry in entries] == [5, 5, 5]

    def test_no_rows_are_no_entries(self):
        assert list(as_entries([])) == []


class TestRemembering:
    def test_a_request_is_compiled_once(self):
        asked = parse_propfind(propfind("getetag", "displayname"))
        again = parse_propfind(propfind("getetag", "displayname"))
        assert renderer_for(asked) is renderer_for(again)
        assert renderer_for(asked) is not renderer_for(asked, minimal=True)

    def test_a_flood_of_made_up_names_is_not_remembered(self):
        asked = named(*(f"{{urn:x}}p{number}" for number in range(500)))
        assert renderer_for(asked) is not renderer_for(asked)

    def test_one_listing_leaves_nothing_for_the_next(self):
        renderer = renderer_for(named(dav("supportedlock")))
        assert "exclusive" in renderer.bind(Surroundings(may_write=True)).one(f"{TREE}a.txt", Row())
        assert "exclusive" not in renderer.bind(Surroundings()).one(f"{TREE}a.txt", Row())


class TestStreaming:
    def test_pieces_are_of_a_fair_size_and_join_to_the_whole(self):
        renderer = renderer_for(ALL_PROPERTIES)
        rows = [Row(id=number, name=f"{number}.txt") for number in range(2000)]

        def pieces() -> list[bytes]:
            return list(multistatus(renderer.prefixes, renderer.bind().members(TREE, rows)))

        sizes = [len(piece) for piece in pieces()]
        assert all(64 * 1024 <= size <= 256 * 1024 for size in sizes[:-1])
        assert len(sizes) > 3
        found = parsed(b"".join(pieces()))
        assert [href for href, _ in found] == [f"{TREE}{number}.txt" for number in range(2000)]

    def test_rows_are_taken_only_as_they_are_written(self):
        renderer = renderer_for(ALL_PROPERTIES)
        taken = []

        def rows():
            for number in range(2000):
                taken.append(number)
                yield Row(id=number)

        next(iter(multistatus(renderer.prefixes, renderer.bind().members(TREE, rows()))))
        assert len(taken) < 400

    def test_an_empty_folder_is_a_whole_answer(self):
        renderer = renderer_for(ALL_PROPERTIES)
        assert parsed(b"".join(multistatus(renderer.prefixes, []))) == []

    def test_a_sync_report_ends_with_its_token(self):
        renderer = renderer_for(named(dav("getetag")))
        responses = [
            renderer.bind().one(f"{TREE}a.txt", Row()),
            gone(f"{TREE}b%26"),
            truncated(TREE),
        ]
        tail = sync_token("urn:t:5&6")
        root = etree.fromstring(b"".join(multistatus(renderer.prefixes, responses, tail=tail)))
        assert root[-1].text == "urn:t:5&6"
        assert root[1].findtext(dav("status")) == "HTTP/1.1 404 Not Found"
        assert root[2].findtext(dav("status")) == "HTTP/1.1 507 Insufficient Storage"
        assert root[2][2][0].tag == dav("number-of-matches-within-limits")


def test_every_live_property_is_named_by_itself_and_renders():
    full = Surroundings(
        may_write=True, principal_href="/me/", owner_href="/p/", used_bytes=1, available_bytes=2,
        sync_token=lambda _: "t", locks={7: [LOCK]}, inherited_locks=[LOCK],
    )  # fmt: skip
    row = Row(sha1=bytes(20))
    for name, live in LIVE_PROPERTIES.items():
        assert live.name == name
        assert isinstance(live.shown, Shown)
        found = [200 in asked_of(entry, named(name), full) for entry in (row, folder())]
        assert found == [live.on_file is not None, live.on_folder is not None], name
