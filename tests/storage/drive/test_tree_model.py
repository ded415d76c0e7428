"""The tree against a model that is a plain dictionary, under random acts."""

from urllib.parse import unquote

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from storage.drive import trash
from storage.drive.paths import Path
from storage.errors import StoreError

PATHS = st.lists(st.sampled_from(["a", "b", "C"]), min_size=1, max_size=3).map(tuple)
BYTES = st.binary(max_size=3)


class Model:
    """Paths to bytes, or to None for folders."""

    def __init__(self):
        self.tree = {(): None}

    def is_folder(self, path):
        return path in self.tree and self.tree[path] is None

    def below(self, path):
        return {known: self.tree[known] for known in self.tree if known[: len(path)] == path}

    def put(self, path, content):
        if self.is_folder(path):
            return False
        if not self.is_folder(path[:-1]):
            return False
        self.tree[path] = content
        return True

    def mkdir(self, path):
        if path in self.tree or not self.is_folder(path[:-1]):
            return False
        self.tree[path] = None
        return True

    def delete(self, path):
        if path not in self.tree:
            return False
        for known in self.below(path):
            del self.tree[known]
        return True

    def transfer(self, source, target, *, is_move, overwrites):
        if source not in self.tree or not self.is_folder(target[:-1]):
            return False
        if target[: len(source)] == source or source[: len(target)] == target:
            return False
        if target in self.tree and not overwrites:
            return False
        moved = self.below(source)
        if target in self.tree:
            self.delete(target)
        if is_move:
            self.delete(source)
        for known, content in moved.items():
            self.tree[target + known[len(source) :]] = content
        return True


def text(path):
    return "/" + "/".join(path)


class TreeMachine(RuleBasedStateMachine):
    """Does the same to both, and compares them after every step."""

    drive = None  # set by the test, emptied for each example

    def __init__(self):
        super().__init__()
        for name in self.drive.names():
            self.drive.delete("/" + name)
        self.model = Model()

    def both(self, act, done):
        try:
            act()
        except StoreError:
            assert not done
        else:
            assert done

    @rule(path=PATHS, content=BYTES)
    def put(self, path, content):
        self.both(lambda: self.drive.put(text(path), content), self.model.put(path, content))

    @rule(path=PATHS)
    def mkdir(self, path):
        self.both(lambda: self.drive.mkdir(text(path)), self.model.mkdir(path))

    @rule(path=PATHS)
    def delete(self, path):
        self.both(lambda: self.drive.delete(text(path)), self.model.delete(path))

    @rule(path=PATHS, goal=PATHS, is_move=st.booleans(), overwrites=st.booleans())
    def transfer(self, path, goal, is_move, overwrites):
        act = self.drive.move if is_move else self.drive.copy
        self.both(
            lambda: act(text(path), text(goal), overwrites=overwrites),
            self.model.transfer(path, goal, is_move=is_move, overwrites=overwrites),
        )

    @rule()
    def restore_all(self):
        """Whatever is restored is there afterwards, byte for byte, and nothing else changes."""
        for trashed in self.drive.trash()[:1]:
            node, path = self.drive.write(trash.restore, space=self.drive.space, node_id=trashed.id)
            assert path.names not in self.model.tree
            self.model.tree[path.names] = self._content(node, path)
            for row in self.drive.rows(str(path)) if node.is_folder else ():
                names = self._names(row)
                inner = Path((*path.names, *names))
                self.model.tree[inner.names] = self._content(self.drive.find(str(inner)), inner)

    @invariant()
    def both_are_equal(self):
        assert self._real() == self.model.tree

    def _real(self):
        found = {(): None}
        for row in self.drive.rows():
            decoded = self._names(row)
            node = self.drive.find(text(decoded))
            found[decoded] = self._content(node, Path(decoded))
        return found

    def _content(self, node, path):
        return None if node.is_folder else self.drive.read(str(path))

    def _names(self, row):
        return tuple(unquote(name) for name in row.href.rstrip("/").split("/"))


def test_the_tree_equals_the_model_after_every_act(drive):
    machine = type("Machine", (TreeMachine,), {"drive": drive})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
