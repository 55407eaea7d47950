"""One change somewhere in JSON values."""

import copy
import random
from typing import Any

import rfc8785

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, 2**53 - 1, 1e21, "", "0", "a" * 64, "é", "../x", "2026-11-21T08:00:00Z",
    "2026-02-30T08:00:00Z", "2026-11-21T08:00:00+08:00", "2026-11-21T08:00:60Z", [], {},
    [None], {"a": 1}, "\u0000", "2027-11-21T08:00:00Z",
]  # fmt: skip


def dumped(value: Any) -> bytes | None:
    """RFC 8785 JSON; None for a value that has none."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, ValueError):
        return None


def alter(rng: random.Random, value: Any) -> str:
    """Change one thing somewhere in JSON values; gives what."""
    trail = ""
    while True:
        inner = value.values() if isinstance(value, dict) else value
        deeper = [one for one in inner if isinstance(one, dict | list) and one]
        if not deeper or rng.random() < 0.35:
            break
        value = rng.choice(deeper)
        trail += "/…"
    if isinstance(value, dict):
        name = rng.choice(sorted(value)) if value else "new"
        match rng.choice(["odd", "odd", "odd", "drop", "add", "case"]):
            case "odd":
                value[name] = rng.choice(ODD)
            case "drop":
                value.pop(name, None)
            case "add":
                value["zz"] = rng.choice(ODD)
            case "case" if isinstance(value.get(name), str):
                value[name] = value[name].upper()
        return f"{trail}/{name}"
    at = rng.randrange(len(value) + 1)
    match rng.choice(["odd", "drop", "twice", "swap"]):
        case "odd":
            value[at : at + 1] = [rng.choice(ODD)]
        case "drop":
            del value[at : at + 1]
        case "twice":
            value[at:at] = copy.deepcopy(value[:1])
        case "swap":
            value.reverse()
    return f"{trail}[{at}]"
