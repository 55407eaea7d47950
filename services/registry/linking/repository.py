"""SQL of the linking. It sees every shop, whoever asks: what leaves it for people is scoped elsewhere.

Lookups by many values or shops are LATERAL … OFFSET 0: one index probe each, whatever the planner believes.
They go to the driver of the session's own transaction, prepared: a change is to be followed in milliseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.linking import rules

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

_FOLLOWING_NOW = "current_setting('wangjian.following', true) = 'true'"
# Told to the statements behind it, which are sent without waiting for the answer; and to plan them once only:
# planning takes longer than they do.
_TURN = (
    "SELECT set_config('wangjian.following', CASE WHEN pg_try_advisory_xact_lock_shared(%s)"
    " THEN (SELECT 'true' FROM pg_advisory_xact_lock(%s)) ELSE 'false' END, true),"
    " set_config('plan_cache_mode', 'force_generic_plan', true)"
)
_OUTDATED = "SELECT EXISTS (SELECT FROM identifier_values WHERE reason->>'rule' <> %s)"
_LATER = (
    "INSERT INTO identifier_changes (presence_no, kind, key, delta)"
    " SELECT no, 0, 0, 0 FROM unnest(%s::bigint[]) AS u(no)"
)
_LATER_VALUES = (
    "INSERT INTO identifier_changes (presence_no, kind, key, delta)"
    " SELECT -1, kind, key, 0 FROM unnest(%s::smallint[], %s::bigint[]) AS u(kind, key)"
)
_WAITING = "SELECT DISTINCT presence_no FROM identifier_changes LIMIT %s"
_BACKLOG = (
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM identifier_changes LIMIT %s) s),"
    " coalesce((SELECT max(id) FROM identifier_changes), 0)"
)
_SHOWN = (
    " CROSS JOIN LATERAL (SELECT kind, key FROM identifiers g"
    " WHERE g.presence_no = n.no AND g.ended_at IS NULL OFFSET 0) f"
)
_STORED = (
    " LEFT JOIN LATERAL (SELECT * FROM identifier_values v"
    " WHERE v.kind = u.kind AND v.key = u.key OFFSET 0) w ON true"
)
_HOLDERS = (
    "SELECT array_agg(h.presence_no) FROM (SELECT presence_no FROM identifiers g"
    " WHERE g.kind = u.kind AND g.key = u.key AND g.ended_at IS NULL OFFSET 0) h"
)
# What went and came is taken off the log; `near`: shops whose values' verdicts may have moved (`targets`);
# `members`: who shows these; then everything members show, with all who show it where few do.
_AROUND = (
    "WITH log AS (DELETE FROM identifier_changes WHERE presence_no = ANY(%(nos)s::bigint[])"  # noqa: S608
    f" AND {_FOLLOWING_NOW} RETURNING presence_no, kind, key, delta),"
    " touched AS MATERIALIZED (SELECT u.kind, u.key, w.holders,"
    f" CASE WHEN coalesce(w.holders, 0) <= {COUNTED} THEN coalesce(({_HOLDERS}), '{{}}') END AS nos"
    " FROM (SELECT kind, key FROM log WHERE kind <> 0 UNION SELECT kind, key"
    f" FROM unnest(%(kinds)s::smallint[], %(keys)s::bigint[]) AS given(kind, key) WHERE {_FOLLOWING_NOW}) u"
    f"{_STORED}),"
    " near AS (SELECT presence_no AS no FROM log WHERE kind <> 0 AND presence_no <> -1 UNION"
    " SELECT unnest(nos) FROM touched"
    " WHERE least(cardinality(nos), coalesce(holders, 1)) <= %(connector)s),"
    " targets AS MATERIALIZED (SELECT u.kind, u.key, coalesce(cardinality(t.nos), w.holders, 1) AS count"
    f" FROM (SELECT kind, key FROM touched UNION SELECT f.kind, f.key FROM near n{_SHOWN}) u"
    f" LEFT JOIN touched t ON t.kind = u.kind AND t.key = u.key{_STORED}),"
    " members AS (SELECT DISTINCT f.presence_no AS no FROM targets u CROSS JOIN LATERAL"
    " (SELECT presence_no FROM identifiers g WHERE u.count BETWEEN 2 AND %(limit)s"
    " AND g.kind = u.kind AND g.key = u.key AND g.ended_at IS NULL OFFSET 0) f),"
    f" shown AS (SELECT f.kind, f.key, array_agg(n.no) AS nos FROM members n{_SHOWN} GROUP BY 1, 2),"
    " known AS (SELECT kind, key, s.nos, u.count FROM targets u FULL JOIN shown s USING (kind, key))"
    " SELECT true, u.kind, u.key, CASE WHEN t.kind IS NOT NULL THEN cardinality(t.nos)"
    " ELSE coalesce(w.holders, 1) END,"
    f" CASE WHEN coalesce(cardinality(t.nos), w.holders) BETWEEN 2 AND %(connector)s THEN ({_HOLDERS})"
    " ELSE u.nos END, u.count IS NOT NULL, w.holders, w.hub, w.state,"
    " CASE WHEN u.count IS NOT NULL THEN w.reason END, r.ruling = 'hub'"
    f" FROM known u LEFT JOIN touched t ON t.kind = u.kind AND t.key = u.key{_STORED}"
    " LEFT JOIN LATERAL (SELECT ruling FROM hub_rulings h WHERE h.kind = u.kind AND h.key = u.key AND h.live"
    " AND h.ruling <> 'withdrawn' OFFSET 0) r ON true"
    " UNION ALL SELECT false, kind, key, delta, ARRAY[presence_no], false, NULL, NULL, NULL, NULL, NULL"
    " FROM log"
)
# The blocks of these shops, of whom officers judged the same with them, and of all who show these values:
# their shops, what they show, judgements.
_BLOCKS = (
    "WITH given AS (SELECT unnest(%(nos)s::bigint[]) AS no),"  # noqa: S608
    " start AS (SELECT no FROM given UNION SELECT CASE WHEN j.shop_a = n.no THEN j.shop_b ELSE j.shop_a END"
    " FROM given n JOIN bound_judgements j ON n.no IN (j.shop_a, j.shop_b) UNION SELECT f.presence_no"
    " FROM unnest(%(kinds)s::smallint[], %(keys)s::bigint[]) AS u(kind, key) CROSS JOIN LATERAL"
    " (SELECT presence_no FROM identifiers g WHERE g.kind = u.kind AND g.key = u.key"
    " AND g.ended_at IS NULL OFFSET 0) f),"
    " old AS MATERIALIZED (SELECT c.presence_no AS no, c.cluster, c.block FROM (SELECT DISTINCT b.block"
    " FROM start n CROSS JOIN LATERAL (SELECT block FROM clusters d WHERE d.presence_no = n.no OFFSET 0) b) u"
    " CROSS JOIN LATERAL (SELECT * FROM clusters e WHERE e.block = u.block OFFSET 0) c),"
    " shops AS MATERIALIZED (SELECT no FROM start UNION SELECT no FROM old),"
    f" held AS (SELECT f.kind, f.key, array_agg(n.no) AS nos FROM shops n{_SHOWN} GROUP BY 1, 2)"
    " SELECT 0, n.no, o.cluster, o.block, NULL::bigint[], NULL::text FROM shops n LEFT JOIN old o USING (no)"
    " UNION ALL SELECT u.kind, u.key, w.holders, w.state, u.nos, w.reason->>'code'"
    f" FROM held u{_STORED} WHERE w.kind IS NOT NULL OR cardinality(u.nos) >= 2"
    " UNION ALL SELECT -1, n.no, j.shop_b, NULL, NULL, j.verdict FROM shops n CROSS JOIN LATERAL"
    " (SELECT shop_b, verdict FROM counting_judgements g WHERE g.shop_a = n.no"
    " AND g.verdict IN ('same', 'different') OFFSET 0) j WHERE j.shop_b IN (SELECT no FROM shops)"
)
_WHAT_IS_STORED = (
    "SELECT v.kind, v.key, v.holders, v.hub, v.state, v.reason FROM identifier_values v"
    " JOIN unnest(%s::smallint[], %s::bigint[]) AS u(kind, key) ON v.kind = u.kind AND v.key = u.key"
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


@dataclass(frozen=True)
class Seen:
    """A value in the neighbourhood of a change.

    count: how many show it now (None: more than COUNTED did before the change); nos: who shows it, all where
    it is judged or few show it, else those that were looked at; target: whether its verdict may have moved;
    ruled: an officer's ruling, True a hub; stored: what is stored about it, of targets alone.
    """

    count: int | None
    nos: list[int]
    target: bool
    ruled: bool | None
    stored: Stored | None


@dataclass
class Around:
    """What a change touched: what came (1) to or went (-1) from which shop, values marked, values around."""

    moved: dict[Value, dict[int, int]] = field(default_factory=dict)
    marked: set[Value] = field(default_factory=set)
    seen: dict[Value, Seen] = field(default_factory=dict)


class Known(NamedTuple):
    """A value shops of a block show: who of them does, and what is stored of it (None: nothing)."""

    nos: list[int]
    holders: int | None
    state: int | None
    code: str | None


@dataclass
class Blocks:
    """Shops with (cluster, block) as stored, the values they show, and what officers judged among them."""

    shops: dict[int, tuple[int, int] | None] = field(default_factory=dict)
    values: dict[Value, Known] = field(default_factory=dict)
    judged: list[tuple[int, int, str]] = field(default_factory=list)


_Driver = psycopg.AsyncConnection[Any]
_Given = Sequence[Any] | Mapping[str, Any]


async def _driver(session: AsyncSession) -> _Driver:
    raw = await (await session.connection()).get_raw_connection()
    driver: _Driver = raw.driver_connection  # type: ignore[assignment]
    return driver


async def _run(driver: _Driver, query: str, parameters: _Given) -> psycopg.AsyncCursor[Any]:
    cursor = driver.cursor(binary=True)
    await cursor.execute(query.encode(), parameters, prepare=True)
    return cursor


async def _rows(session: AsyncSession, query: str, parameters: _Given) -> list[tuple[Any, ...]]:
    return await (await _run(await _driver(session), query, parameters)).fetchall()


async def around(session: AsyncSession, nos: Sequence[int], values: Iterable[Value]) -> Around | None:
    """Takes its turn among those who follow changes, and what these shops' changes and values touch.

    None while everything is being rebuilt: then nothing was taken off the log.
    """
    driver = await _driver(session)
    kinds, keys = _split(values)
    limits = {"connector": rules.CONNECTOR, "limit": rules.LIMIT}
    async with driver.pipeline():
        turn = await _run(driver, _TURN, (REBUILDING, _FOLLOWING))
        found = await _run(driver, _AROUND, {"nos": _array(nos), "kinds": kinds, "keys": keys, **limits})
        mine = await turn.fetchone()
        rows = await found.fetchall()
    return _around(rows) if mine is not None and mine[0] == "true" else None


def _around(rows: Iterable[tuple[Any, ...]]) -> Around:
    found = Around()
    for value, kind, key, number, nos, target, holders, hub, state, reason, ruled in rows:
        if value:
            stored = Stored(holders, hub, state, reason) if target and holders is not None else None
            found.seen[kind, key] = Seen(number, nos or [], target, ruled, stored)
        elif nos[0] == NOBODY:
            found.marked.add((kind, key))
        elif kind:
            shops = found.moved.setdefault((kind, key), {})
            shops[nos[0]] = shops.get(nos[0], 0) + number
    return found


async def blocks(session: AsyncSession, nos: Iterable[int], values: Iterable[Value]) -> Blocks:
    """The blocks of these shops and of all who show these values."""
    kinds, keys = _split(values)
    found = Blocks()
    for kind, one, other, third, shown, word in await _rows(
        session, _BLOCKS, {"nos": _array(nos), "kinds": kinds, "keys": keys}
    ):
        if kind > 0:
            found.values[kind, one] = Known(shown, other, third, word)
        elif kind:
            found.judged.append((one, other, word))
        else:
            found.shops[one] = None if other is None else (other, third)
    return found


async def outdated(session: AsyncSession) -> bool:
    """Whether a verdict is an earlier rule's. Reads all where none is: some seconds at ten million shops."""
    rows = await _rows(session, _OUTDATED, (rules.RULE_VERSION,))
    return bool(rows[0][0])


async def later(session: AsyncSession, nos: Sequence[int]) -> None:
    """Marks these shops to be looked at once the rebuild is through."""
    await _run(await _driver(session), _LATER, (_array(nos),))


async def later_values(session: AsyncSession, values: Sequence[Value]) -> None:
    """Marks these values to be looked at once the rebuild is through."""
    await _run(await _driver(session), _LATER_VALUES, _split(values))


async def waiting(session: AsyncSession, most: int) -> list[int]:
    """Up to `most` shops whose changes nobody has followed."""
    return [no for (no,) in await _rows(session, _WAITING, (most,))]


async def backlog(session: AsyncSession, most: int) -> tuple[int, int]:
    """(changes nobody followed, counted up to `most`; number of the newest)."""
    rows = await _rows(session, _BACKLOG, (most,))
    return rows[0][0], rows[0][1]


async def stored(session: AsyncSession, values: Iterable[Value]) -> dict[Value, Stored]:
    """What is stored about those of the values that are shared."""
    rows = await _rows(session, _WHAT_IS_STORED, _split(values))
    return {(row[0], row[1]): Stored(*row[2:]) for row in rows}


@dataclass
class Outcome:
    """What is to be written: values (kind, key, holders, hub, state, reason as JSON text) and those no longer
    shared, shops with (cluster, block) and those that are alone now."""

    values: list[dict[str, Any]] = field(default_factory=list)
    gone: list[Value] = field(default_factory=list)
    clusters: list[tuple[int, int, int]] = field(default_factory=list)
    alone: list[int] = field(default_factory=list)


async def put(session: AsyncSession, outcome: Outcome, at: datetime) -> None:
    """Write what was found, all at once."""
    driver = await _driver(session)
    async with driver.pipeline():
        if outcome.values:
            names = ("kind", "key", "holders", "hub", "state", "reason")
            await _run(driver, _PUT_VALUES, (at, *_columns(outcome.values, names)))
        if outcome.gone:
            await _run(driver, _DROP_VALUES, _split(outcome.gone))
        if outcome.alone:
            await _run(driver, _DROP_CLUSTERS, (_array(outcome.alone),))
        if outcome.clusters:
            columns = [_array(column) for column in zip(*outcome.clusters, strict=True)]
            await _run(driver, _PUT_CLUSTERS, columns)


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


async def put_changes(session: AsyncSession, rows: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """Record values that began or ceased to be hubs."""
    if rows:
        names = ("kind", "key", "hub", "holders", "pairs", "before", "reason")
        await _run(await _driver(session), _PUT_CHANGES, (at, *_columns(rows, names)))
