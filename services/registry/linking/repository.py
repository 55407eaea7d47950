"""SQL of the linking. It sees every shop, whoever asks: what leaves it for people is scoped elsewhere.

Statements go to the driver of the session's own transaction, prepared: a change is to be followed in
milliseconds.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.linking import rules

Value = tuple[int, int]
Fact = tuple[int, int, int]

REBUILDING: Final = 0x57_4A_4C_01
"""Advisory lock: shared while a change is followed, exclusive while everything is rebuilt."""
FOLLOWING: Final = 0x57_4A_4C_02
"""Advisory lock: changes are followed one transaction after the other."""
NOBODY: Final = -1
"""Stands for a shop where a value as such is to be looked at."""
_OUTDATED = "SELECT EXISTS (SELECT FROM identifier_values WHERE reason->>'rule' <> $1)"
_LATER = (
    "INSERT INTO identifier_changes (presence_no, kind, key, delta)"
    " SELECT no, 0, 0, 0 FROM unnest($1::bigint[]) AS u(no)"
)
_LATER_VALUES = (
    "INSERT INTO identifier_changes (presence_no, kind, key, delta)"
    " SELECT -1, kind, key, 0 FROM unnest($1::smallint[], $2::bigint[]) AS u(kind, key)"
)
_WAITING = "SELECT DISTINCT presence_no FROM identifier_changes LIMIT $1"
_BACKLOG = (
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM identifier_changes LIMIT $1) s),"
    " coalesce((SELECT max(id) FROM identifier_changes), 0)"
)
_WHAT_IS_STORED = (
    "SELECT v.kind, v.key, v.holders, v.hub, v.state, v.reason FROM identifier_values v"
    " JOIN unnest($1::smallint[], $2::bigint[]) AS u(kind, key) ON v.kind = u.kind AND v.key = u.key"
)
# Every page that following a change may look into: each index as a whole, and two tables by one of theirs.
_THROUGH = (
    "SELECT count(*) FROM (SELECT FROM identifiers ORDER BY presence_no, kind, key) s",
    "SELECT count(*) FROM (SELECT FROM identifiers WHERE ended_at IS NULL ORDER BY kind, key, presence_no) s",
    "SELECT count(reason) FROM (SELECT reason FROM identifier_values ORDER BY kind, key) s",
    "SELECT count(cluster) FROM (SELECT cluster FROM clusters ORDER BY presence_no) s",
    "SELECT count(*) FROM (SELECT FROM clusters ORDER BY block) s",
)
# All that was found is written by one statement.
_PUT = (
    "WITH known AS (INSERT INTO identifier_values (kind, key, holders, hub, state, reason, decided_at)"
    " SELECT u.*, $1::timestamptz FROM json_to_recordset($2::json)"
    " AS u(kind smallint, key bigint, holders int, hub boolean, state smallint, reason jsonb)"
    " ON CONFLICT (kind, key) DO UPDATE SET holders = excluded.holders, hub = excluded.hub,"
    " state = excluded.state, reason = excluded.reason,"
    " decided_at = CASE WHEN identifier_values.reason->>'code' = excluded.reason->>'code'"
    " THEN identifier_values.decided_at ELSE excluded.decided_at END),"
    " gone AS (DELETE FROM identifier_values w USING unnest($3::smallint[], $4::bigint[]) AS u(kind, key)"
    " WHERE w.kind = u.kind AND w.key = u.key),"
    " turned AS (INSERT INTO link_changes (at, kind, key, hub, holders, pairs, before, reason)"
    " SELECT $1::timestamptz, u.* FROM json_to_recordset($5::json) AS u(kind smallint, key bigint,"
    " hub boolean, holders int, pairs bigint, before jsonb, reason jsonb)),"
    " alone AS (DELETE FROM clusters WHERE presence_no = ANY($6::bigint[]))"
    " INSERT INTO clusters (presence_no, cluster, block)"
    " SELECT * FROM unnest($7::bigint[], $8::bigint[], $9::bigint[])"
    " ON CONFLICT (presence_no) DO UPDATE SET cluster = excluded.cluster, block = excluded.block"
)


class Stored(NamedTuple):
    """What is stored about a value."""

    holders: int
    hub: bool
    state: int
    reason: dict[str, Any]


def array(numbers: Iterable[int]) -> str:
    """An array as PostgreSQL reads it: one form whatever the numbers, so that one prepared plan serves."""
    return "{" + ",".join(map(str, numbers)) + "}"


def split(values: Iterable[Value]) -> tuple[str, str]:
    """Arrays of their kinds and of their keys."""
    pairs = list(values)
    return array(kind for kind, _ in pairs), array(key for _, key in pairs)


Driver = psycopg.AsyncConnection[Any]


async def driver_of(session: AsyncSession) -> Driver:
    """The driver's connection on which the session's transaction runs."""
    driver: Driver | None = session.info.get("driver")
    if driver is None:
        raw = await (await session.connection()).get_raw_connection()
        driver = session.info["driver"] = cast(Driver, raw.driver_connection)
    return driver


async def run(driver: Driver, query: str, parameters: Sequence[Any]) -> psycopg.AsyncCursor[Any]:
    """Send a statement with parameters $1, $2 …, prepared; gives the cursor of its answer."""
    cursor = psycopg.AsyncRawCursor(driver)
    await cursor.execute(query.encode(), parameters, prepare=True, binary=True)
    return cursor


async def rows(session: AsyncSession, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What a statement gives, in the session's transaction."""
    return await (await run(await driver_of(session), query, parameters)).fetchall()


async def outdated(session: AsyncSession) -> bool:
    """Whether a verdict is an earlier rule's. Reads all where none is: some seconds at ten million shops."""
    found = await rows(session, _OUTDATED, (rules.RULE_VERSION,))
    return bool(found[0][0])


async def read_through(session: AsyncSession) -> None:
    """Reads once what following reads here and there, so that it lies in the server's memory."""
    await rows(session, "SELECT set_config('enable_seqscan', 'off', true)", ())
    await rows(session, "SELECT set_config('max_parallel_workers_per_gather', '0', true)", ())
    for query in _THROUGH:
        await rows(session, query, ())


async def later(session: AsyncSession, nos: Sequence[int]) -> None:
    """Marks these shops to be looked at once the rebuild is through."""
    await run(await driver_of(session), _LATER, (array(nos),))


async def later_values(session: AsyncSession, values: Sequence[Value]) -> None:
    """Marks these values to be looked at once the rebuild is through."""
    await run(await driver_of(session), _LATER_VALUES, split(values))


async def waiting(session: AsyncSession, most: int) -> list[int]:
    """Up to `most` shops whose changes nobody has followed."""
    return [no for (no,) in await rows(session, _WAITING, (most,))]


async def backlog(session: AsyncSession, most: int) -> tuple[int, int]:
    """(changes nobody followed, counted up to `most`; number of the newest)."""
    found = await rows(session, _BACKLOG, (most,))
    return found[0][0], found[0][1]


async def stored(session: AsyncSession, values: Iterable[Value]) -> dict[Value, Stored]:
    """What is stored about those of the values that are shared."""
    found = await rows(session, _WHAT_IS_STORED, split(values))
    return {(row[0], row[1]): Stored(*row[2:]) for row in found}


@dataclass
class Outcome:
    """What is to be written: values and those no longer shared, values that began or ceased to be hubs, shops
    with (cluster, block) and those that are alone now. Values and those that turned: by column."""

    values: list[dict[str, Any]] = field(default_factory=list)
    gone: list[Value] = field(default_factory=list)
    turned: list[dict[str, Any]] = field(default_factory=list)
    clusters: list[tuple[int, int, int]] = field(default_factory=list)
    alone: list[int] = field(default_factory=list)


async def put(session: AsyncSession, outcome: Outcome, at: datetime) -> None:
    """Write what was found, all at once."""
    if not any(vars(outcome).values()):
        return
    clusters = [array(column) for column in zip(*outcome.clusters, strict=True)] or ["{}"] * 3
    values, turned = json.dumps(outcome.values), json.dumps(outcome.turned)
    given = (at, values, *split(outcome.gone), turned, array(outcome.alone), *clusters)
    await run(await driver_of(session), _PUT, given)
