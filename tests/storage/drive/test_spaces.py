import pytest

from storage.drive import spaces
from storage.drive.paths import ROOT, Path, href_of, xml_of
from storage.errors import Invalid, NotFound
from tests.storage.drive.people import make_account, make_mailbox


def test_a_space_is_there_once_it_was_asked_for(database):
    account_id = database.write(lambda tx: make_account(tx, "alice"))
    assert database.read(lambda tx: spaces.find(tx, account_id=account_id)) is None
    space = database.write(lambda tx: spaces.ensure(tx, account_id=account_id))
    assert database.read(lambda tx: spaces.find(tx, account_id=account_id)) == space
    assert database.read(lambda tx: spaces.get(tx, space.id)) == space
    assert database.read(spaces.list_spaces) == [space]


def test_each_mailbox_has_a_space_of_its_own(database):
    account_id = database.write(lambda tx: make_account(tx, "alice"))
    mailbox_id = database.write(lambda tx: make_mailbox(tx, account_id))
    shared = database.write(lambda tx: spaces.ensure(tx, account_id=account_id))
    own = database.write(lambda tx: spaces.ensure(tx, account_id=account_id, mailbox_id=mailbox_id))
    assert own.id != shared.id
    listed = database.read(lambda tx: spaces.list_spaces(tx, account_id=account_id))
    assert listed == [shared, own]


def test_a_mailbox_of_another_account_has_no_space_here(database):
    alice, bob = (database.write(lambda tx, n=n: make_account(tx, n)) for n in ("alice", "bob"))
    mailbox_id = database.write(lambda tx: make_mailbox(tx, alice))
    database.write(lambda tx: spaces.ensure(tx, account_id=alice, mailbox_id=mailbox_id))
    assert database.read(lambda tx: spaces.find(tx, account_id=bob, mailbox_id=mailbox_id)) is None


def test_an_unknown_space_is_not_found(database):
    with pytest.raises(NotFound):
        database.read(lambda tx: spaces.get(tx, 1))


@pytest.mark.parametrize(
    ("name", "href", "xml"),
    [
        ("plain-1_2.txt~", "plain-1_2.txt~", None),
        ("a b", "a%20b", None),
        ("a&b<c>", "a%26b%3Cc%3E", "a&amp;b&lt;c&gt;"),
        ("ä", "%C3%A4", None),
        ("!$'()*+,;=:@", "%21%24%27%28%29%2A%2B%2C%3B%3D%3A%40", None),
    ],
)
def test_names_as_urls_and_xml_have_them(name, href, xml):
    assert (href_of(name), xml_of(name)) == (href, xml)


def test_paths_know_their_parts():
    path = Path.parse("/a/b c/")
    assert (path.name, str(path.parent), path.href, str(path)) == ("b c", "/a", "a/b%20c", "/a/b c")
    assert path.is_within(Path.parse("/a"))
    assert path.is_within(ROOT)
    assert not Path.parse("/ab").is_within(Path.parse("/a"))
    assert ROOT.is_root
    assert ROOT.child("x") == Path(("x",))


@pytest.mark.parametrize("names", [[".."], ["a", "."], ["a/b"], ["\ud800"], ["x" * 256]])
def test_paths_through_impossible_names_are_refused(names):
    with pytest.raises(Invalid):
        Path.of(names)


def test_a_name_is_measured_after_normalising():
    assert Path.of(["e\u0301" * 255]).name == "\u00e9" * 255
