"""SQL of the linking. It sees every shop, whoever asks: what leaves it for people is scoped elsewhere.

Lookups by many values or shops are LATERAL … OFFSET 0: one index probe each, whatever the planner believes.
They go to the driver of the session's own transaction, prepared: a change is to be followed in milliseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

Value = tuple[int, int]
Fact = tuple[int, int, int]

REBUILDING: Final = 0x57_4A_4C_01
"""Advisory lock: shared while a change is followed, exclusive while everything is rebuilt."""
_FOLLOWING: Final = 0x57_4A_4C_02
"""Advisory lock: changes are followed one transaction after the other."""
NOBODY: Final = -1
"""Stands for a shop where a value as such is to be looked at."""
COUNTED: Final = 1_000
"""Values on more shops than this are not counted anew at every change: what came and went is added up."""

_TURN = (
    "SELECT CASE WHEN pg_try_advisory_xact_lock_shared(%s)"
    " THEN (SELECT true FROM pg_advisory_xact_lock(%s)) ELSE false END"
)
_LATER = (
    "INSERT INTO identifier_changes (presence_no, kind, key, delta)"
    " SELECT no, 0, 0, 0 FROM unnest(%s::bigint[]) AS u(no)"
)
_LATER_VALUES = (
    "INSERT INTO identifier_changes (presence_no, kind, key, delta)"
    " SELECT -1, kind, key, 0 FROM unnest(%s::smallint[], %s::bigint[]) AS u(kind, key)"
)
_TAKE = (
    "DELETE FROM identifier_changes WHERE presence_no = ANY(%s::bigint[])"
    " RETURNING presence_no, kind, key, delta"
)
_WAITING = "SELECT DISTINCT presence_no FROM identifier_changes LIMIT %s"
_BACKLOG = (
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM identifier_changes LIMIT %s) s),"
    " coalesce((SELECT max(id) FROM identifier_changes), 0)"
)
_TOUCHED = (
    "SELECT u.kind, u.key, w.holders, w.hub, w.state, w.reason, i.nos"
    " FROM unnest(%s::smallint[], %s::bigint[]) AS u(kind, key)"
    " LEFT JOIN LATERAL (SELECT * FROM identifier_values v"
    " WHERE v.kind = u.kind AND v.key = u.key OFFSET 0) w ON true"
    " CROSS JOIN LATERAL (SELECT array_agg(f.presence_no) AS nos FROM (SELECT presence_no FROM identifiers g"
    " WHERE coalesce(w.holders, 0) <= %s AND g.kind = u.kind AND g.key = u.key AND g.ended_at IS NULL"
    " OFFSET 0) f) i"
)
_STORED = (
    "SELECT w.kind, w.key, w.holders, w.hub, w.state, w.reason"
    " FROM unnest(%s::smallint[], %s::bigint[]) AS u(kind, key)"
    " CROSS JOIN LATERAL (SELECT * FROM identifier_values v"
    " WHERE v.kind = u.kind AND v.key = u.key OFFSET 0) w"
)
_HOLDERS = (
    "SELECT u.kind, u.key, i.nos FROM unnest(%s::smallint[], %s::bigint[]) AS u(kind, key)"
    " CROSS JOIN LATERAL (SELECT array_agg(f.presence_no) AS nos FROM (SELECT presence_no FROM identifiers g"
    " WHERE g.kind = u.kind AND g.key = u.key AND g.ended_at IS NULL OFFSET 0) f) i"
)
_OF_SHOPS = (
    "SELECT u.no, i.kind, i.key, coalesce(w.holders, 1)"
    " FROM unnest(%s::bigint[]) AS u(no) CROSS JOIN LATERAL (SELECT kind, key FROM identifiers g"
    " WHERE g.presence_no = u.no AND g.ended_at IS NULL OFFSET 0) i"
    " LEFT JOIN LATERAL (SELECT holders FROM identifier_values v"
    " WHERE v.kind = i.kind AND v.key = i.key OFFSET 0) w ON true"
)
_BLOCKS = (
    "SELECT c.presence_no, c.cluster, c.block FROM (SELECT DISTINCT b.block"
    " FROM unnest(%s::bigint[]) AS u(no) CROSS JOIN LATERAL (SELECT block FROM clusters d"
    " WHERE d.presence_no = u.no OFFSET 0) b) AS n CROSS JOIN LATERAL (SELECT * FROM clusters e"
    " WHERE e.block = n.block OFFSET 0) c"
)
_RULED = (
    "SELECT h.kind, h.key, h.ruling = 'hub' FROM unnest(%s::smallint[], %s::bigint[]) AS u(kind, key)"
    " CROSS JOIN LATERAL (SELECT * FROM hub_rulings r WHERE r.kind = u.kind AND r.key = u.key AND r.live"
    " AND r.ruling <> 'withdrawn' OFFSET 0) h"
)
_JUDGED = (
    "SELECT shop_a, shop_b, verdict FROM judgements WHERE live AND verdict IN ('same', 'different')"
    " AND shop_a = ANY(%s::bigint[]) AND shop_b = ANY(%s::bigint[])"
)
_PUT_VALUES = (
    "INSERT INTO identifier_values (kind, key, holders, hub, state, reason, decided_at)"
    " SELECT u.kind, u.key, u.holders, u.hub, u.state, u.reason, %s::timestamptz"
    " FROM unnest(%s::smallint[], %s::bigint[], %s::int[], %s::boolean[], %s::smallint[], %s::jsonb[])"
    " AS u(kind, key, holders, hub, state, reason)"
    " ON CONFLICT (kind, key) DO UPDATE SET holders = excluded.holders, hub = excluded.hub,"
    " state = excluded.state, reason = excluded.reason,"
    " decided_at = CASE WHEN identifier_values.reason->>'code' = excluded.reason->>'code'"
    " THEN identifier_values.decided_at ELSE excluded.decided_at END"
)
_DROP_VALUES = (
    "DELETE FROM identifier_values w USING unnest(%s::smallint[], %s::bigint[]) AS u(kind, key)"
    " WHERE w.kind = u.kind AND w.key = u.key"
)
_PUT_CLUSTERS = (
    "INSERT INTO clusters (presence_no, cluster, block)"
    " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])"
    " ON CONFLICT (presence_no) DO UPDATE SET cluster = excluded.cluster, block = excluded.block"
)
_DROP_CLUSTERS = "DELETE FROM clusters WHERE presence_no = ANY(%s::bigint[])"
_PUT_CHANGES = (
    "INSERT INTO link_changes (at, kind, key, hub, holders, pairs, before, reason)"
    " SELECT %s::timestamptz, * FROM unnest(%s::smallint[], %s::bigint[], %s::boolean[], %s::int[],"
    " %s::bigint[], %s::jsonb[], %s::jsonb[])"
)


class Stored(NamedTuple):
    """What is stored about a value."""

    holders: int
    hub: bool
    state: int
    reason: dict[str, Any]


def _array(numbers: Iterable[int | str]) -> str:
    """An array as PostgreSQL reads it: one form whatever the numbers, so that one prepared plan serves."""
    return "{" + ",".join(map(str, numbers)) + "}"


def _split(values: Iterable[Value]) -> tuple[str, str]:
    pairs = list(values)
    return _array(kind for kind, _ in pairs), _array(key for _, key in pairs)


async def _run(session: AsyncSession, query: str, parameters: Sequence[Any]) -> psycopg.AsyncCursor[Any]:
    raw = await (await session.connection()).get_raw_connection()
    driver: psycopg.AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment]
    cursor = driver.cursor()
    await cursor.execute(query.encode(), parameters, prepare=True)
    return cursor


async def _rows(session: AsyncSession, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    return await (await _run(session, query, parameters)).fetchall()


async def may_follow(session: AsyncSession) -> bool:
    """Takes its turn among those who follow changes; False while everything is being rebuilt."""
    rows = await _rows(session, _TURN, (REBUILDING, _FOLLOWING))
    return bool(rows[0][0])


async def later(session: AsyncSession, nos: Sequence[int]) -> None:
    """Marks these shops to be looked at once the rebuild is through."""
    await _run(session, _LATER, (_array(nos),))


async def later_values(session: AsyncSession, values: Sequence[Value]) -> None:
    """Marks these values to be looked at once the rebuild is through."""
    await _run(session, _LATER_VALUES, _split(values))


async def waiting(session: AsyncSession, most: int) -> list[int]:
    """Up to `most` shops whose changes nobody has followed."""
    return [no for (no,) in await _rows(session, _WAITING, (most,))]


async def backlog(session: AsyncSession, most: int) -> tuple[int, int]:
    """(changes nobody followed, counted up to `most`; number of the newest)."""
    rows = await _rows(session, _BACKLOG, (most,))
    return rows[0][0], rows[0][1]


async def take(session: AsyncSession, nos: Sequence[int]) -> tuple[dict[Value, dict[int, int]], set[Value]]:
    """What came to (1) and went from (-1) these shops, by value, off the log; and values only marked."""
    found: dict[Value, dict[int, int]] = {}
    marked: set[Value] = set()
    for no, kind, key, delta in await _rows(session, _TAKE, (_array(nos),)):
        if no == NOBODY:
            marked.add((kind, key))
        elif kind:
            shops = found.setdefault((kind, key), {})
            shops[no] = shops.get(no, 0) + delta
    moved = {value: {no: by for no, by in shops.items() if by} for value, shops in found.items()}
    return {value: shops for value, shops in moved.items() if shops}, marked


async def touched(
    session: AsyncSession, values: Iterable[Value]
) -> dict[Value, tuple[Stored | None, list[int] | None]]:
    """What is stored about each value, and who shows it now; None where more than COUNTED showed it."""
    kinds, keys = _split(values)
    if keys == "{}":
        return {}
    found: dict[Value, tuple[Stored | None, list[int] | None]] = {}
    for kind, key, holders, hub, state, reason, nos in await _rows(session, _TOUCHED, (kinds, keys, COUNTED)):
        stored = None if holders is None else Stored(holders, hub, state, reason)
        found[kind, key] = stored, None if (holders or 0) > COUNTED else (nos or [])
    return found


async def stored(session: AsyncSession, values: Iterable[Value]) -> dict[Value, Stored]:
    """What is stored about those of the values that are shared."""
    kinds, keys = _split(values)
    if keys == "{}":
        return {}
    return {(row[0], row[1]): Stored(*row[2:]) for row in await _rows(session, _STORED, (kinds, keys))}


async def holders(session: AsyncSession, values: Iterable[Value]) -> dict[Value, list[int]]:
    """All who show each value now."""
    kinds, keys = _split(values)
    if keys == "{}":
        return {}
    return {(kind, key): nos or [] for kind, key, nos in await _rows(session, _HOLDERS, (kinds, keys))}


async def of_shops(session: AsyncSession, nos: Iterable[int]) -> list[tuple[int, int, int, int]]:
    """(shop, kind, key, holders as stored) of everything these shops show now."""
    wanted = _array(nos)
    if wanted == "{}":
        return []
    rows: list[Any] = await _rows(session, _OF_SHOPS, (wanted,))
    return rows


async def blocks(session: AsyncSession, nos: Iterable[int]) -> dict[int, tuple[int, int]]:
    """(cluster, block) of every shop in the blocks of these shops."""
    rows = await _rows(session, _BLOCKS, (_array(nos),))
    return {no: (cluster, block) for no, cluster, block in rows}


async def ruled(session: AsyncSession, values: Iterable[Value]) -> dict[Value, bool]:
    """What officers ruled on these values: True a hub, False none."""
    kinds, keys = _split(values)
    if keys == "{}":
        return {}
    return {(kind, key): hub for kind, key, hub in await _rows(session, _RULED, (kinds, keys))}


async def judged(session: AsyncSession, nos: Iterable[int]) -> list[tuple[int, int, str]]:
    """(shop, shop, `same` or `different`) where officers judged two of these shops."""
    wanted = _array(nos)
    rows: list[Any] = await _rows(session, _JUDGED, (wanted, wanted))
    return rows


async def put_values(session: AsyncSession, rows: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """Write values (kind, key, holders, hub, state, reason as JSON text)."""
    if rows:
        names = ("kind", "key", "holders", "hub", "state", "reason")
        await _run(session, _PUT_VALUES, (at, *_columns(rows, names)))


def _columns(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Any]:
    """Arrays of these columns: numbers as text, everything else as lists of text."""
    columns: list[Any] = []
    for name in names:
        column = [row[name] for row in rows]
        if isinstance(column[0], bool):
            columns.append(_array("ft"[item] for item in column))
        else:
            columns.append(column if isinstance(column[0], str) else _array(column))
    return columns


async def drop_values(session: AsyncSession, values: Sequence[Value]) -> None:
    """Remove values that are no longer shared."""
    if values:
        await _run(session, _DROP_VALUES, _split(values))


async def put_clusters(session: AsyncSession, rows: Sequence[tuple[int, int, int]]) -> None:
    """Write (shop, cluster, block)."""
    if rows:
        await _run(session, _PUT_CLUSTERS, [_array(column) for column in zip(*rows, strict=True)])


async def drop_clusters(session: AsyncSession, nos: Sequence[int]) -> None:
    """These shops are alone now."""
    if nos:
        await _run(session, _DROP_CLUSTERS, (_array(nos),))


async def put_changes(session: AsyncSession, rows: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """Record values that began or ceased to be hubs."""
    if rows:
        names = ("kind", "key", "hub", "holders", "pairs", "before", "reason")
        await _run(session, _PUT_CHANGES, (at, *_columns(rows, names)))
