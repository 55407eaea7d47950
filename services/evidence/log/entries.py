"""What the entries of the log say, by kind (docs/evidence/package.md, docs/evidence/log.md)."""

import json
from typing import Any


def read_entry(entry: bytes) -> dict[str, Any]:
    """An entry's fields; {} when it is not a JSON object."""
    try:
        found = json.loads(entry)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def ref_of(entry: bytes, shard: int, index: int) -> str:
    """The name an entry was queued under, where it tells; else one of its own by place."""
    found = read_entry(entry)
    if found.get("kind") in ("order", "seal") and isinstance(found.get("evidence_id"), str):
        return f"{found['kind']}:{found['evidence_id']}"[:80]
    return f"recovered:{shard}:{index}"


def subject_of(entry: bytes | None) -> str | None:
    """The evidence item an entry is about, when it names one."""
    found = read_entry(entry) if entry else {}
    named = found.get("evidence_id")
    return named if isinstance(named, str) else None
