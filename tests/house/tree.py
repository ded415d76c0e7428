"""The program's own modules, as text and as syntax trees, for the tests that read them."""

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("storage", "davserver", "admin_ui")


@dataclass(frozen=True)
class Module:
    """One file of the program."""

    path: Path

    @property
    def file(self) -> str:
        """Its place in the tree, as people write it: storage/identity/devices.py."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def name(self) -> str:
        """Its place in the tree, as Python writes it: storage.identity.devices."""
        return self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def lines(self) -> int:
        return len(self.path.read_text(encoding="utf-8").splitlines())

    def syntax(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), self.file)

    def imports(self) -> list[str]:
        """Every module that it imports, also inside functions, in full."""
        found = []
        for node in ast.walk(self.syntax()):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.file} imports by dots; write the whole name"
                # `from storage import keys` may name a module, or something inside of one.
                found += [f"{node.module}.{alias.name}" for alias in node.names]
        return found


def modules() -> list[Module]:
    """Every module of the program in alphabetical order."""
    found = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return [Module(path) for path in found]


def is_inside(name: str, packages: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or lies in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)
