"""The manifest's fields, walked from its JSON Schema, and ways to spoil each."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "evidence" / "manifest.schema.json").read_text("utf-8")
)
Place = tuple[str | int, ...]


def fields(node: dict[str, Any] | None = None, place: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every field the schema names, with its own schema; of lists the first element."""
    node = _resolved(SCHEMA if node is None else node)
    for name, inner in node.get("properties", {}).items():
        yield (*place, name), _resolved(inner)
        yield from fields(inner, (*place, name))
    if "items" in node:
        yield (*place, 0), _resolved(node["items"])
        yield from fields(node["items"], (*place, 0))


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def written(place: Place) -> str:
    """As people write it: `predicate.artifacts[0].path`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


def edited(statement: dict[str, Any], place: Place) -> dict[str, Any]:
    """The statement with another value of the same kind there."""
    changed = copy.deepcopy(statement)
    holder = _holder(changed, place)
    value = holder[place[-1]]
    if isinstance(value, str):
        holder[place[-1]] = value[:-1] + ("0" if value[-1:] != "0" else "1")
    elif isinstance(value, int | float):
        holder[place[-1]] = value + 1
    elif isinstance(value, list):
        value.append(copy.deepcopy(value[0]) if value else "added")
    elif isinstance(value, dict):
        value["added"] = True
    else:
        holder[place[-1]] = "now something"
    return changed


def removed(statement: dict[str, Any], place: Place) -> dict[str, Any]:
    """The statement without that member."""
    changed = copy.deepcopy(statement)
    del _holder(changed, place)[place[-1]]
    return changed


def retyped(statement: dict[str, Any], place: Place) -> dict[str, Any]:
    """The statement with a value of a kind the field never has."""
    changed = copy.deepcopy(statement)
    _holder(changed, place)[place[-1]] = True
    return changed


def _holder(statement: dict[str, Any], place: Place) -> Any:
    found: Any = statement
    for step in place[:-1]:
        found = found[step]
    return found
