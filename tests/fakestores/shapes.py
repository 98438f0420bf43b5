"""The shape of JSON: which keys an object at a path always has, which it may have, and of which type a value is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

# What stands below these is the content of plugins, or of numbered things.
OPEN = re.compile(r"meta_data\[\]\.(value|display_value)|\.routes\.")


@dataclass
class Shape:
    types: set[str] = field(default_factory=set)
    always: set[str] | None = None
    ever: set[str] = field(default_factory=set)


Shapes = dict[str, Shape]


def collect(values: Iterable[Any]) -> Shapes:
    shapes: Shapes = {}
    for value in values:
        _collect(value, "", shapes)
    return shapes


def _collect(value: Any, path: str, shapes: Shapes) -> None:
    if OPEN.search(path):
        return
    shape = shapes.setdefault(path, Shape())
    shape.types.add("number" if isinstance(value, float) else type(value).__name__)
    if isinstance(value, list):
        for inner in value:
            _collect(inner, f"{path}[]", shapes)
    elif isinstance(value, dict):
        keys = set(value)
        shape.always = keys if shape.always is None else shape.always & keys
        shape.ever |= keys
        for key, inner in value.items():
            _collect(inner, f"{path}.{key}", shapes)


def differences(ours: Shapes, theirs: Shapes) -> list[str]:
    """Where ours has what theirs never has, or lacks what theirs always has."""
    found = []
    for path, shape in ours.items():
        known = theirs.get(path)
        if known is None:
            continue  # below a list that theirs never filled, or a key that is reported at its object
        if extra := shape.types - known.types - ({"number"} if "int" in known.types else set()):
            found.append(f"{path}: {sorted(extra)} where the store has {sorted(known.types)}")
        if missing := (known.always or set()) - (shape.always if shape.always is not None else known.always or set()):
            found.append(f"{path}: lacks {sorted(missing)}")
        if invented := shape.ever - known.ever:
            found.append(f"{path}: invents {sorted(invented)}")
    return found
