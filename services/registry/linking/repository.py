"""SQL of the linking. It sees every shop, whoever asks: what leaves it for people is scoped elsewhere.

Lookups by many values or shops are LATERAL … OFFSET 0: one index probe each, whatever the planner believes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Value = tuple[int, int]
Fact = tuple[int, int, int]

REBUILDING: Final = 0x57_4A_4C_01
"""Advisory lock: shared while a change is followed, exclusive while everything is rebuilt."""
NOBODY: Final = -1
"""Stands for a shop where a value as such is to be looked at."""
_FOLLOWING: Final = 0x57_4A_4C_02
"""Advisory lock: changes are followed one transaction after the other."""

_TRY = text("SELECT pg_try_advisory_xact_lock_shared(:lock)")
_LOCK = text("SELECT pg_advisory_xact_lock(:lock)")
_LATER = text(
    "INSERT INTO identifier_changes (presence_no, kind, key, delta)"
    " SELECT no, 0, 0, 0 FROM unnest(CAST(:nos AS bigint[])) AS u(no)"
)
_LATER_VALUES = text(
    "INSERT INTO identifier_changes (presence_no, kind, key, delta) SELECT -1, kind, key, 0 FROM"
    " unnest(CAST(:kinds AS smallint[]), CAST(:keys AS bigint[])) AS u(kind, key)"
)
_TAKE = text(
    "DELETE FROM identifier_changes WHERE presence_no = ANY(:nos) RETURNING presence_no, kind, key, delta"
)
_WAITING = text("SELECT DISTINCT presence_no FROM identifier_changes LIMIT :most")
_STORED = text(
    "SELECT v.kind, v.key, v.holders, v.hub, v.state, v.reason FROM"
    " unnest(CAST(:kinds AS smallint[]), CAST(:keys AS bigint[])) AS u(kind, key)"
    " CROSS JOIN LATERAL (SELECT * FROM identifier_values w"
    " WHERE w.kind = u.kind AND w.key = u.key OFFSET 0) v"
)
_COUNT = text(
    "SELECT u.kind, u.key, c.holders FROM"
    " unnest(CAST(:kinds AS smallint[]), CAST(:keys AS bigint[])) AS u(kind, key)"
    " CROSS JOIN LATERAL (SELECT count(*) AS holders"
    " FROM identifiers i WHERE i.kind = u.kind AND i.key = u.key AND i.ended_at IS NULL) c"
)
_HOLDERS = text(
    "SELECT u.kind, u.key, i.presence_no FROM"
    " unnest(CAST(:kinds AS smallint[]), CAST(:keys AS bigint[])) AS u(kind, key)"
    " CROSS JOIN LATERAL (SELECT presence_no"
    " FROM identifiers i WHERE i.kind = u.kind AND i.key = u.key AND i.ended_at IS NULL OFFSET 0) i"
)
_OF_SHOPS = text(
    "SELECT i.kind, i.key, u.no, coalesce(v.holders, 1)"
    " FROM unnest(CAST(:nos AS bigint[])) AS u(no) CROSS JOIN LATERAL (SELECT kind, key FROM identifiers i"
    " WHERE i.presence_no = u.no AND i.ended_at IS NULL OFFSET 0) i"
    " LEFT JOIN LATERAL (SELECT holders FROM identifier_values w"
    " WHERE w.kind = i.kind AND w.key = i.key OFFSET 0) v ON true"
)
_BLOCKS = text(
    "SELECT c.presence_no, c.cluster, c.block FROM (SELECT DISTINCT b.block"
    " FROM unnest(CAST(:nos AS bigint[])) AS u(no) CROSS JOIN LATERAL (SELECT block FROM clusters d"
    " WHERE d.presence_no = u.no OFFSET 0) b) AS n CROSS JOIN LATERAL (SELECT * FROM clusters e"
    " WHERE e.block = n.block OFFSET 0) c"
)
_PUT_VALUES = text(
    "INSERT INTO identifier_values (kind, key, holders, hub, state, reason, decided_at)"
    " SELECT u.kind, u.key, u.holders, u.hub, u.state, u.reason, CAST(:at AS timestamptz)"
    " FROM unnest(CAST(:kinds AS smallint[]), CAST(:keys AS bigint[]), CAST(:holders AS int[]),"
    " CAST(:hubs AS boolean[]), CAST(:states AS smallint[]), CAST(:reasons AS jsonb[]))"
    " AS u(kind, key, holders, hub, state, reason)"
    " ON CONFLICT (kind, key) DO UPDATE SET holders = excluded.holders, hub = excluded.hub,"
    " state = excluded.state, reason = excluded.reason,"
    " decided_at = CASE WHEN identifier_values.reason->>'code' = excluded.reason->>'code'"
    " THEN identifier_values.decided_at ELSE excluded.decided_at END"
)
_DROP_VALUES = text(
    "DELETE FROM identifier_values w USING"
    " unnest(CAST(:kinds AS smallint[]), CAST(:keys AS bigint[])) AS u(kind, key)"
    " WHERE w.kind = u.kind AND w.key = u.key"
)
_PUT_CLUSTERS = text(
    "INSERT INTO clusters (presence_no, cluster, block)"
    " SELECT * FROM unnest(CAST(:nos AS bigint[]), CAST(:clusters AS bigint[]), CAST(:blocks AS bigint[]))"
    " ON CONFLICT (presence_no) DO UPDATE SET cluster = excluded.cluster, block = excluded.block"
)
_DROP_CLUSTERS = text("DELETE FROM clusters WHERE presence_no = ANY(:nos)")
_PUT_CHANGES = text(
    "INSERT INTO link_changes (at, kind, key, hub, holders, pairs, before, reason)"
    " SELECT CAST(:at AS timestamptz), * FROM unnest(CAST(:kinds AS smallint[]), CAST(:keys AS bigint[]),"
    " CAST(:hubs AS boolean[]), CAST(:holders AS int[]), CAST(:pairs AS bigint[]),"
    " CAST(:befores AS jsonb[]), CAST(:reasons AS jsonb[]))"
)


def _split(values: Iterable[Value]) -> dict[str, list[int]]:
    pairs = list(values)
    return {"kinds": [kind for kind, _ in pairs], "keys": [key for _, key in pairs]}


async def may_follow(session: AsyncSession) -> bool:
    """Takes its turn among those who follow changes; False while everything is being rebuilt."""
    if not (await session.execute(_TRY, {"lock": REBUILDING})).scalar_one():
        return False
    await session.execute(_LOCK, {"lock": _FOLLOWING})
    return True


async def later(session: AsyncSession, nos: Sequence[int]) -> None:
    """Marks these shops to be looked at once the rebuild is through."""
    await session.execute(_LATER, {"nos": list(nos)})


async def later_values(session: AsyncSession, values: Sequence[Value]) -> None:
    """Marks these values to be looked at once the rebuild is through."""
    await session.execute(_LATER_VALUES, _split(values))


async def waiting(session: AsyncSession, most: int) -> list[int]:
    """Up to `most` shops whose changes nobody has followed."""
    return list((await session.scalars(_WAITING, {"most": most})).all())


async def take(session: AsyncSession, nos: Sequence[int]) -> tuple[dict[Value, dict[int, int]], set[Value]]:
    """What came to (1) and went from (-1) these shops, by value, off the log; and values only marked."""
    found: dict[Value, dict[int, int]] = {}
    marked: set[Value] = set()
    for no, kind, key, delta in await session.execute(_TAKE, {"nos": list(nos)}):
        if no == NOBODY:
            marked.add((kind, key))
        elif kind:
            shops = found.setdefault((kind, key), {})
            shops[no] = shops.get(no, 0) + delta
    moved = {value: {no: by for no, by in shops.items() if by} for value, shops in found.items()}
    return {value: shops for value, shops in moved.items() if shops}, marked


async def stored(session: AsyncSession, values: Iterable[Value]) -> dict[Value, Any]:
    """Rows (kind, key, holders, hub, state, reason) of those values that have one."""
    rows = await session.execute(_STORED, _split(values))
    return {(row.kind, row.key): row for row in rows}


async def count(session: AsyncSession, values: Sequence[Value]) -> dict[Value, int]:
    """How many shops show each value now."""
    if not values:
        return {}
    return {(kind, key): number for kind, key, number in await session.execute(_COUNT, _split(values))}


async def holders(session: AsyncSession, values: Iterable[Value]) -> list[Fact]:
    """(kind, key, shop) of all who show these values now."""
    parameters = _split(values)
    if not parameters["keys"]:
        return []
    return [(kind, key, no) for kind, key, no in await session.execute(_HOLDERS, parameters)]


async def of_shops(session: AsyncSession, nos: Iterable[int]) -> list[tuple[int, int, int, int]]:
    """(kind, key, shop, holders as stored) of everything these shops show now."""
    wanted = list(nos)
    if not wanted:
        return []
    return [tuple(row) for row in await session.execute(_OF_SHOPS, {"nos": wanted})]


async def blocks(session: AsyncSession, nos: Iterable[int]) -> dict[int, tuple[int, int]]:
    """(cluster, block) of every shop in the blocks of these shops."""
    rows = await session.execute(_BLOCKS, {"nos": list(nos)})
    return {no: (cluster, block) for no, cluster, block in rows}


async def put_values(session: AsyncSession, rows: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """Write values (kind, key, holders, hub, state, reason as JSON text)."""
    if rows:
        names = ("kind", "key", "holders", "hub", "state", "reason")
        columns = {f"{name}s" if name != "holders" else name: [row[name] for row in rows] for name in names}
        await session.execute(_PUT_VALUES, {**columns, "at": at})


async def drop_values(session: AsyncSession, values: Sequence[Value]) -> None:
    """Remove values that are no longer shared."""
    if values:
        await session.execute(_DROP_VALUES, _split(values))


async def put_clusters(session: AsyncSession, rows: Sequence[tuple[int, int, int]]) -> None:
    """Write (shop, cluster, block)."""
    if rows:
        nos, clusters, found = (list(column) for column in zip(*rows, strict=True))
        await session.execute(_PUT_CLUSTERS, {"nos": nos, "clusters": clusters, "blocks": found})


async def drop_clusters(session: AsyncSession, nos: Sequence[int]) -> None:
    """These shops are alone now."""
    if nos:
        await session.execute(_DROP_CLUSTERS, {"nos": list(nos)})


async def put_changes(session: AsyncSession, rows: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """Record values that began or ceased to be hubs."""
    if rows:
        names = ("kind", "key", "hub", "before", "reason")
        columns = {f"{name}s": [row[name] for row in rows] for name in names}
        columns |= {name: [row[name] for row in rows] for name in ("holders", "pairs")}
        await session.execute(_PUT_CHANGES, {**columns, "at": at})
