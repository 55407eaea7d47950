"""The table of keys against the log's key events: what an insider changed in one and not in the other."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.evidence.keys import repository
from services.evidence.keys.rules import KnownKey

_SETS = {"introduced": "not_before", "rotated": "not_after", "revoked": "revoked_at"}


@dataclass(frozen=True)
class KeyFinding:
    """code: `key.unlogged` (a row nobody logged), `key.missing` (a logged key without row), `key.differs`."""

    code: str
    keyid: str
    fields: tuple[str, ...] = ()


async def check(session: AsyncSession) -> list[KeyFinding]:
    """Every difference between the table and the queued and logged key events."""
    found = compare(await repository.every(session), await repository.logged_events(session))
    return found + [
        KeyFinding("key.differs", keyid, ("keyid",)) for keyid in await repository.strays(session)
    ]


def compare(known: Iterable[KnownKey], entries: Iterable[bytes]) -> list[KeyFinding]:
    """The same, of rows and of the log's key entries in their order."""
    logged = _replayed(entries)
    rows = {key.keyid: {"role": key.role, **key.as_trust()} for key in known}
    found = [KeyFinding("key.unlogged", keyid) for keyid in rows if keyid not in logged]
    found += [KeyFinding("key.missing", keyid) for keyid in logged if keyid not in rows]
    for keyid, row in rows.items():
        fields = tuple(name for name in row if keyid in logged and row[name] != logged[keyid][name])
        if fields:
            found.append(KeyFinding("key.differs", keyid, fields))
    return found


def _replayed(entries: Iterable[bytes]) -> dict[str, dict[str, Any]]:
    """The keys as the events leave them; a revocation moved to an earlier time replaces the later one."""
    keys: dict[str, dict[str, Any]] = {}
    for entry in entries:
        event = json.loads(entry)
        key = keys.setdefault(
            event["keyid"],
            {
                "role": event["role"],
                "keyid": event["keyid"],
                "algorithm": event["algorithm"],
                "public_key": base64.b64encode(base64.b64decode(event["public_key"])).decode(),
                **dict.fromkeys(_SETS.values()),
            },
        )
        key[_SETS[event["event"]]] = event["at"]
    return keys
