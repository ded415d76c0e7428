import random as random_module

import pytest

from storage.drive import changes, properties, purging, sync, trash
from storage.drive.properties import Property
from storage.errors import Invalid, StoreError


def token_of(drive, path="/"):
    return sync.token_of(drive.find(path))


def report(drive, token=None, *, path="/", **more):
    folder = drive.find(path)
    return drive.database.read(
        lambda tx: sync.report(tx, tree=drive.tree, folder=folder, token=token, **more)
    )


def told(drive, token, **more):
    found = report(drive, token, **more)
    return sorted(entry.href for entry in found.entries), list(found.gone)


class Client:
    """Knows of the drive only what reports tell: a map from href to etag."""

    def __init__(self, drive, path="/", limit=None):
        self.drive, self.path, self.limit = drive, path, limit
        self.token, self.known = None, {}

    def step(self):
        found = report(self.drive, self.token, path=self.path, limit=self.limit)
        if self.limit is not None:
            assert len(found.entries) + len(found.gone) <= self.limit
        hrefs = [entry.href.rstrip("/") for entry in found.entries]
        assert len(set(hrefs)) == len(hrefs)
        assert not set(hrefs) & {href.rstrip("/") for href in found.gone}
        for href in found.gone:
            self._forget(href.rstrip("/"))
        for entry in found.entries:
            self._learn(entry)
        self.token = found.token
        return found.is_truncated

    def catch_up(self):
        while self.step():
            pass

    def _forget(self, href):
        for known in [known for known in self.known if (known + "/").startswith(href + "/")]:
            del self.known[known]

    def _learn(self, entry):
        is_folder = entry.row.kind == "folder"
        assert entry.href.endswith("/") == is_folder
        self.known[entry.href.rstrip("/")] = "folder" if is_folder else entry.row.etag


def real(drive, path="/"):
    return {
        row.href.rstrip("/"): "folder" if row.kind == "folder" else row.etag
        for row in drive.rows(path)
    }


@pytest.fixture
def tree(drive):
    for path in ("/a", "/a/b", "/z"):
        drive.mkdir(path)
    drive.put("/a/b/c", b"c")
    drive.put("/a/d", b"d")
    return drive


def test_without_a_token_everything_is_told(tree):
    assert told(tree, None) == (["a/", "a/b/", "a/b/c", "a/d", "z/"], [])
    assert told(tree, None, is_deep=False) == (["a/", "z/"], [])


def test_nothing_changed_means_nothing_told_and_the_same_token(tree):
    token = token_of(tree, "/a")
    tree.put("/z/elsewhere", b"1")
    found = report(tree, token, path="/a")
    assert (found.entries, found.gone, found.token) == ((), (), token)


def test_new_changed_and_removed_members_are_told(tree):
    token = token_of(tree)
    tree.put("/new", b"1")
    tree.put("/a/d", b"changed")
    tree.delete("/a/b/c")
    assert told(tree, token) == (["a/d", "new"], ["a/b/c"])


def test_a_moved_folder_is_gone_once_and_comes_with_all_below_it(tree):
    token = token_of(tree)
    tree.move("/a", "/z/a2")
    assert told(tree, token) == (["z/a2/", "z/a2/b/", "z/a2/b/c", "z/a2/d"], ["a/"])


def test_a_restored_and_a_copied_tree_come_whole(tree):
    tree.delete("/a")
    token = token_of(tree)
    [trashed] = tree.trash()
    tree.write(trash.restore, space=tree.space, node_id=trashed.id)
    tree.copy("/a/b", "/z/b")
    assert told(tree, token) == (["a/", "a/b/", "a/b/c", "a/d", "z/b/", "z/b/c"], [])


def test_what_came_and_went_is_not_told(tree):
    token = token_of(tree)
    tree.mkdir("/new")
    tree.put("/new/x", b"1")
    tree.delete("/new")
    assert told(tree, token) == ([], [])


def test_members_of_a_replaced_folder_are_gone(tree):
    token = token_of(tree)
    tree.mkdir("/other")
    tree.put("/other/d", b"other")
    tree.move("/other", "/a")
    assert told(tree, token) == (["a/", "a/d"], ["a/b/"])


def test_a_shallow_report_tells_of_members_only(tree):
    token = token_of(tree)
    tree.put("/a/x", b"1")
    tree.delete("/a/d")
    tree.delete("/z")
    tree.put("/y", b"1")
    assert told(tree, token, is_deep=False) == (["y"], ["z/"])


def test_changed_properties_are_told(tree):
    token = token_of(tree)
    tree.write(properties.patch, **tree.at("/a/d"), instructions=[Property("n", "x", "<x/>")])
    assert told(tree, token) == (["a/d"], [])


@pytest.mark.parametrize("token", ["", "x", "1-1", "9-9-9", "1-1-999999", "0-0-0-0-q0"])
def test_a_strange_token_is_refused(tree, token):
    with pytest.raises(Invalid) as refusal:
        report(tree, token)
    assert refusal.value.field == "sync-token"


def test_another_folders_token_is_refused(tree):
    with pytest.raises(Invalid):
        report(tree, token_of(tree, "/a"), path="/z")


def test_a_token_from_before_what_was_forgotten_is_refused(tree, clock):
    token, unchanged = token_of(tree), token_of(tree, "/z")
    tree.put("/new", b"1")
    clock.advance(days=31)
    late = token_of(tree)
    tree.database.write(lambda tx: changes.compact(tx, space_id=tree.space.id, before=clock()))
    with pytest.raises(Invalid):
        report(tree, token)
    assert told(tree, late) == ([], [])
    assert told(tree, unchanged, path="/z") == ([], [])


def test_a_purged_folder_refuses_tokens_that_knew_it(tree):
    token = token_of(tree)
    tree.delete("/a")
    late = token_of(tree)
    purging.empty(tree.database, space=tree.space, actor=tree.phone)
    with pytest.raises(Invalid):
        report(tree, token)
    assert told(tree, late) == ([], [])


def test_a_limit_cuts_the_report_and_the_token_goes_on(tree):
    client = Client(tree, limit=2)
    assert client.step()
    assert len(client.known) == 2
    client.catch_up()
    assert client.known == real(tree)
    tree.move("/a", "/moved")
    client.catch_up()
    assert client.known == real(tree)


NAMES = ("x", "y", "Z")


def random_path(random, depth=3):
    return "/" + "/".join(random.choice(NAMES) for _ in range(random.randint(1, depth)))


def random_act(drive, random):
    """Do something to the drive that may well be refused."""
    path, target = random_path(random), random_path(random)
    act = random.choice(
        ["put", "put", "mkdir", "mkdir", "move", "move", "copy", "delete", "restore"]
    )
    try:
        if act == "put":
            drive.put(path, bytes([random.randrange(256)]) * random.randrange(3))
        elif act == "restore":
            trashed = drive.trash()
            if trashed:
                chosen = random.choice(trashed)
                drive.write(trash.restore, space=drive.space, node_id=chosen.id)
        elif act in ("move", "copy"):
            getattr(drive, act)(path, target)
        else:
            getattr(drive, act)(path)
    except StoreError:
        return


@pytest.mark.parametrize("seed", range(12))
def test_replaying_reports_from_any_token_rebuilds_the_tree(drive, seed):
    """Clients that look at different times, some in small pieces while others change the tree."""
    random = random_module.Random(seed)
    drive.mkdir("/x")
    clients = [Client(drive), Client(drive, limit=1), Client(drive, limit=3)]
    inner = [Client(drive, "/x"), Client(drive, "/x", limit=2)]
    inner_id = drive.find("/x").id
    for _ in range(60):
        random_act(drive, random)
        client = random.choice(clients)
        client.step()
        folder = drive.find("/x")
        if folder is None or folder.id != inner_id:
            inner = []  # its tokens are of a folder that is elsewhere now
        elif inner:
            random.choice(inner).step()
        if random.random() < 0.1:
            clients.append(Client(drive, limit=random.choice([None, 2])))
    for client in (*clients, *inner):
        client.catch_up()
        client.catch_up()
        assert client.known == real(drive, client.path)
