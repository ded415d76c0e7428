"""Which way imports may go. Change the rules here first, then the code."""

import re
import sys
import tomllib

import pytest

from tests.house.tree import ROOMS, ROOT, is_inside, modules

# A module may import from its own floor and from those below it (further up in this list).
FLOORS = (
    (
        "storage.config", "storage.errors", "storage.folders", "storage.clock",
        "storage.randomness",
        "storage.config_sentences", "storage.scopes", "storage.sections", "storage.principal",
        "storage.schema", "storage.certificates",
    ),
    (
        "storage.db", "storage.migrations", "storage.audit", "storage.audit_chain", "storage.keys",
        "storage.key_file", "storage.key_register",
    ),
    ("storage.identity", "storage.drive"),
    ("storage.store", "storage.revoke"),
    ("davserver", "admin_ui"),
)  # fmt: skip

# These never import each other, in either direction.
STRANGERS = (("storage.identity", "storage.drive"), ("davserver", "admin_ui"))

# Somebody must open both doors; and Alembic's entry must see every table.
EXCEPTIONS = (
    ("davserver.__main__", "admin_ui"),
    ("davserver.cli", "admin_ui"),
    ("storage.migrations.env", "storage.identity.tables"),
    ("storage.migrations.env", "storage.drive.tables"),
)

# Each outside library has one home. What is not listed here is not imported at all.
HOMES = {
    "alembic": ("storage.migrations",),
    "annotated_types": ("storage.config_sentences",),  # pydantic's own words for a range
    "bcrypt": ("storage.identity.passwords",),
    "cheroot": ("davserver.http",),
    "boto3": ("storage.drive.blobs.s3_client",),
    "botocore": ("storage.drive.blobs.s3_client",),
    "click": ("davserver.cli", "davserver.commands", "davserver.output", "davserver.session"),
    "cryptography": ("storage.keys", "storage.certificates"),
    "flask": ("admin_ui",),
    "flask_wtf": ("admin_ui",),
    "jwt": ("storage.identity.sessions",),
    "lxml": ("davserver",),
    "prometheus_client": ("davserver.http.metrics",),
    "pydantic_settings": ("storage.config", "storage.sections"),
    "pydantic": ("storage.config", "storage.config_sentences", "storage.sections"),
    "pyotp": ("storage.identity",),
    "rich": ("davserver.cli", "davserver.commands", "davserver.output"),
    "segno": ("admin_ui",),
    "sqlalchemy": ("storage",),
    "structlog": ("davserver.log",),
    # for mypy alone; not there at run time
    "types_boto3_s3": ("storage.drive.blobs.s3", "storage.drive.blobs.s3_client"),
    "urllib3": ("storage.drive.blobs.s3_client",),  # botocore lets its errors through
    "wsgidav": ("davserver",),
}

IMPORTS = [(module.name, name) for module in modules() for name in module.imports()]
INSIDE = [pair for pair in IMPORTS if is_inside(pair[1], ROOMS)]
OUTSIDE = [
    (name, imported.partition(".")[0])
    for name, imported in IMPORTS
    if not is_inside(imported, ROOMS) and imported.partition(".")[0] not in sys.stdlib_module_names
]


def floor_of(name):
    return next((floor for floor, parts in enumerate(FLOORS) if is_inside(name, parts)), None)


def is_excepted(name, imported):
    return any(name == who and is_inside(imported, (what,)) for who, what in EXCEPTIONS)


def test_there_are_imports_to_look_at():
    assert len(INSIDE) > 50


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.file)
def test_every_module_stands_on_a_floor(module):
    is_front_door = module.name == "storage"  # the package's own docstring
    assert is_front_door or floor_of(module.name) is not None


def test_nobody_imports_from_a_floor_above():
    upwards = [
        f"{name} imports {imported}"
        for name, imported in INSIDE
        if (floor_of(imported) or 0) > (floor_of(name) or 0) and not is_excepted(name, imported)
    ]
    assert upwards == []


@pytest.mark.parametrize(("one", "other"), STRANGERS)
def test_strangers_never_import_each_other(one, other):
    met = [
        f"{name} imports {imported}"
        for name, imported in INSIDE
        for here, there in ((one, other), (other, one))
        if is_inside(name, (here,)) and is_inside(imported, (there,))
        if not is_excepted(name, imported)
    ]
    assert met == []


def test_every_outside_library_stays_in_its_home():
    strays = [
        f"{name} imports {library}"
        for name, library in OUTSIDE
        if not is_inside(name, HOMES.get(library, ()))
    ]
    assert sorted(set(strays)) == []


def test_the_linter_knows_every_module_of_the_lower_floors():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name.strip(" ()") for layer in layers for name in re.split("[:|]", layer)}
    assert named == {name for floor in FLOORS for name in floor} - {"admin_ui"}
