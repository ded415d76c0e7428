"""Refused settings, said as sentences: which setting, what it must be, and where it came from.

`config.py` decides what is refused; this file only finds the words. No value is ever repeated:
it may be a secret, or hold one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

ENV_PREFIX = "DAVSERVER_"
_ENV_NOT_SETTINGS = frozenset({"DAVSERVER_CONFIG"})

Sections = Mapping[str, type[BaseModel]]


def sentences_for(error: ValidationError, sections: Sections) -> list[str]:
    """Return one sentence for each thing that is wrong."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    said = [
        _sentence([str(part) for part in problem["loc"]], problem["type"], problem["msg"], sections)
        for problem in problems
    ]
    return list(dict.fromkeys(said))


def strange_sections(names: Iterable[str], sections: Sections) -> list[str]:
    """Return a sentence for each name at the top of the file that is no section."""
    known = _listed([f"[{section}]" for section in sections])
    return [
        f"{name} is not a section of the configuration; there are {known}."
        for name in names
        if name not in sections
    ]


def strange_variables(sections: Sections) -> list[str]:
    """Return a sentence for each variable with our prefix that can't be a setting.

    pydantic-settings looks only for the names that it knows, so a typo would pass in silence.
    """
    known = _listed([section.upper() for section in sections])
    said = []
    for name in sorted(os.environ):
        if not name.startswith(ENV_PREFIX) or name in _ENV_NOT_SETTINGS:
            continue
        section, _, key = name.removeprefix(ENV_PREFIX).lower().partition("__")
        if section not in sections or not key:
            said.append(
                f"The environment variable {name} is not a setting; settings are named "
                f"{ENV_PREFIX}SECTION__KEY, and the sections are {known}."
            )
    return said


def _sentence(place: list[str], kind: str, message: str, sections: Sections) -> str:
    if kind == "value_error":  # one of our own: it names the setting already
        where = f"[{place[0]}] " if place else ""
        return f"{where}{message.removeprefix('Value error, ')}."
    model = sections[place[0]]
    if len(place) == 1:
        return f"[{place[0]}] must be a section with settings of its own."
    section, key = place[0], place[1]
    if kind == "extra_forbidden":
        known = _listed(list(model.model_fields))
        return f"[{section}] {_named(section, key)} is not a setting; this section has {known}."
    return f"[{section}] {_named(section, key)} must be {_wanted(model.model_fields[key])}."


def _named(section: str, key: str) -> str:
    variable = f"{ENV_PREFIX}{section}__{key}".upper()
    return f"{key} (from {variable})" if variable in os.environ else key


def _wanted(field: FieldInfo) -> str:
    annotation: Any = field.annotation  # Any: a type, a union or a Literal
    if get_origin(annotation) is Literal:
        return _listed([f'"{choice}"' for choice in get_args(annotation)], last="or")
    if get_origin(annotation) is tuple:
        return "a list of texts, each in quotes"
    kinds = {annotation, *get_args(annotation)}
    if Path in kinds:
        return "a path, in quotes"
    if kinds & {int, float}:
        number = "a whole number" if int in kinds else "a number"
        return f"{number} {_range(field)}".rstrip()
    return "text, in quotes"


def _range(field: FieldInfo) -> str:
    rules = {type(rule): rule for rule in field.metadata}
    least, above, most = rules.get(Ge), rules.get(Gt), rules.get(Le)
    if above is not None:
        return f"above {above.gt} and at most {most.le}" if most else f"above {above.gt}"
    if least is not None:
        return f"from {least.ge} to {most.le}" if most else f"of {least.ge} or more"
    return f"of at most {most.le}" if most else ""


def _listed(names: list[str], *, last: str = "and") -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
