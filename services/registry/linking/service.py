"""Stand-in of P6 until P5 lands: overwrite freely, not committed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.hubs import repository as hubs
from services.registry.judgements import repository as judgements

DDL = (
    "CREATE TABLE IF NOT EXISTS identifier_values (kind smallint, key bigint, holders int, hub bool,"
    " reason jsonb, decided_at timestamptz, PRIMARY KEY (kind, key))",
    "CREATE TABLE IF NOT EXISTS clusters (presence_no bigint PRIMARY KEY, cluster bigint)",
    "CREATE INDEX IF NOT EXISTS ix_clusters ON clusters (cluster, presence_no)",
)


async def _all(session: AsyncSession) -> None:
    for one in DDL:
        await session.execute(text(one))
    await session.execute(text("DELETE FROM identifier_values"))
    await session.execute(text("DELETE FROM clusters"))
    await session.execute(text(
        "INSERT INTO identifier_values SELECT kind, key, count(*), count(*) >= 20, jsonb_build_object('members', count(*)), now()"
        " FROM identifiers WHERE ended_at IS NULL GROUP BY 1, 2"))
    for (kind, key), hub in (await hubs.rulings(session)).items():
        await session.execute(text("UPDATE identifier_values SET hub = :hub WHERE kind=:kind AND key=:key"), {"hub": hub, "kind": kind, "key": key})
    judged = await judgements.live(session)
    parent: dict[int, int] = {}

    def find(x: int) -> int:
        parent.setdefault(x, x)
        while parent[x] != x:
            x = parent[x]
        return x

    rows = (await session.execute(text("SELECT i.kind, i.key, i.presence_no FROM identifiers i JOIN identifier_values v USING (kind, key) WHERE NOT hub AND ended_at IS NULL"))).all()
    first: dict[Any, list[int]] = {}
    for k, key, no in rows:
        for other in first.setdefault((k, key), []):
            if judged.get((min(no, other), max(no, other))) != "different":
                parent[find(no)] = find(other)
        first[k, key].append(no)
        find(no)
    for (a, b), v in judged.items():
        if v == "same":
            parent[find(a)] = find(b)
    for no in list(parent):
        await session.execute(text("INSERT INTO clusters VALUES (:a, :b)"), {"a": no, "b": find(no)})


async def changed(session: AsyncSession, presence_nos: Sequence[int]) -> None:
    await _all(session)


async def values_changed(session: AsyncSession, values: Sequence[tuple[int, int]]) -> None:
    await _all(session)


async def rebuild(database: Any, progress: Any = None) -> None:
    async with database.transaction() as session:
        await _all(session)
