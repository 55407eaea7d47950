"""One step of sealing as one statement: the item's row and all that goes with it, or nothing of it.

Every round trip to the database is waited for; these are the statements of every seal.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from psycopg.types.json import Jsonb

from services.common.database import Transaction, run
from services.evidence.custody.repository import ADD as ADD_EVENTS
from services.evidence.custody.repository import rows_of
from services.evidence.custody.rules import NewEvent
from services.evidence.log.repository import ENQUEUE

Rows = Sequence[Mapping[str, Any]]

_STAMP = {
    "position": "int",
    "authority": "text",
    "operator": "text",
    "response": "bytea",
    "path": "bytea",
    "stamped_at": "timestamptz",
    "delta_ms": "float8",
    "valid_until": "timestamptz",
}
_RECEIPT = {"custodian": "text", "operator": "text", "receipt": "text", "stored_at": "timestamptz"}
_IF_MOVED = " WHERE EXISTS (SELECT FROM moved)"


# Statements are put together from fixed column names alone; no value is ever part of the text.
def _insert_all(table: str, columns: Mapping[str, str]) -> str:
    """Rows given column by column."""
    names = ", ".join(columns)
    arrays = ", ".join(f"%({table}_{name})s::{kind}[]" for name, kind in columns.items())
    return (
        f"INSERT INTO {table} (evidence_id, {names})"  # noqa: S608
        f" SELECT %(evidence_id)s, {names} FROM unnest({arrays}) AS given({names})"
    )


def _arrays(table: str, columns: Mapping[str, str], rows: Rows) -> dict[str, list[Any]]:
    return {f"{table}_{name}": [row[name] for row in rows] for name in columns}


@cache
def _add(columns: tuple[str, ...]) -> str:
    names, values = ", ".join(columns), ", ".join(f"%({column})s" for column in columns)
    return f"INSERT INTO evidence_items ({names}) VALUES ({values}) ON CONFLICT (id) DO NOTHING"  # noqa: S608


@cache
def _advance(columns: tuple[str, ...]) -> str:
    changed = ", ".join(f"{column} = %({column})s" for column in columns)
    return (
        f"UPDATE evidence_items SET {changed}, last_error = NULL, custody_seq = %(_last)s"  # noqa: S608
        " WHERE id = %(evidence_id)s AND stage = %(_before)s AND custody_seq = %(_known)s"
    )


@cache
def _step(move: str, *, stamps: bool, receipts: bool) -> str:
    """The move, and what is kept only if it took place."""
    queue = ENQUEUE.replace(" ON CONFLICT", f"{_IF_MOVED} ON CONFLICT")
    parts = [
        f"moved AS ({move} RETURNING id)",
        f"events AS ({ADD_EVENTS}{_IF_MOVED})",
        f"queued AS ({queue})",
    ]
    if stamps:
        parts.append(f"stamped AS ({_insert_all('stamps', _STAMP)}{_IF_MOVED})")
    if receipts:
        again = " ON CONFLICT (evidence_id, custodian) DO NOTHING"
        parts.append(f"kept AS ({_insert_all('receipts', _RECEIPT)}{_IF_MOVED}{again})")
    return f"WITH {', '.join(parts)} SELECT count(*) FROM moved"  # noqa: S608


async def step(
    session: Transaction,
    evidence_id: str,
    values: Mapping[str, Any],
    before: tuple[str, int] | None,
    *,
    events: Sequence[NewEvent],
    entries: Mapping[str, bytes],
    stamps: Rows = (),
    receipts: Rows = (),
) -> bool:
    """Write a step down; False, and nothing is changed, when the item is not where it was thought.

    before: its stage and its last custody number; None for an item that is new. entries: for the log.
    """
    given = {**values}
    if before is None:
        given |= {"ordered_by": Jsonb(values["ordered_by"]), "custody_seq": len(events)}
        move = _add(tuple(given))
    else:
        move = _advance(tuple(given))
        given |= {"_before": before[0], "_known": before[1], "_last": before[1] + len(events)}
    given |= {"evidence_id": evidence_id, "events": rows_of(events)}
    given |= {"refs": list(entries), "entries": list(entries.values())}
    if stamps:
        given |= _arrays("stamps", _STAMP, stamps)
    if receipts:
        given |= _arrays("receipts", _RECEIPT, receipts)
    found = await run(session, _step(move, stamps=bool(stamps), receipts=bool(receipts)), given)
    return bool(found[0][0])
