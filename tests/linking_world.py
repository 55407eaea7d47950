"""Small registries of identifiers alone, and what the linking made of them, for the linking's tests."""

import json
from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import Database

Fact = tuple[int, int, int]
"""(kind, key, shop)"""

_PUT = text(
    "INSERT INTO identifiers (presence_no, kind, key, value, source, first_seen, last_seen)"
    " SELECT no, kind, key, '\\x00', 'test', now(), now()"
    " FROM unnest(CAST(:kinds AS smallint[]), CAST(:keys AS bigint[]), CAST(:nos AS bigint[]))"
    " AS u(kind, key, no) ON CONFLICT (presence_no, kind, key) DO UPDATE SET ended_at = NULL"
)
_END = text("UPDATE identifiers SET ended_at = now() WHERE kind = :kind AND key = :key AND presence_no = :no")
_REMOVE = text("DELETE FROM identifiers WHERE kind = :kind AND key = :key AND presence_no = :no")


async def show(session: AsyncSession, facts: Iterable[Fact]) -> None:
    """These shops show these values from now on."""
    kinds, keys, nos = (list(column) for column in zip(*facts, strict=True))
    await session.execute(_PUT, {"kinds": kinds, "keys": keys, "nos": nos})


async def hide(session: AsyncSession, fact: Fact, *, forget: bool = False) -> None:
    """The shop shows the value no more; forget: as if it never had."""
    kind, key, no = fact
    await session.execute(_REMOVE if forget else _END, {"kind": kind, "key": key, "no": no})


async def clear(database: Database) -> None:
    """An empty registry."""
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE judgements DISABLE TRIGGER stays_on_record"))
        await session.execute(text("ALTER TABLE hub_rulings DISABLE TRIGGER stays_on_record"))
        await session.execute(text("DELETE FROM judgements"))
        await session.execute(text("DELETE FROM hub_rulings"))
        await session.execute(
            text(
                "TRUNCATE identifiers, identifier_values, clusters, link_changes, identifier_changes,"
                " findings CASCADE"
            )
        )


async def result(database: Database) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Everything the linking found, row for row, but for when."""
    async with database.transaction() as session:
        values = await session.execute(
            text("SELECT kind, key, holders, hub, state, reason FROM identifier_values ORDER BY kind, key")
        )
        found = [(*row[:5], json.dumps(row[5], sort_keys=True)) for row in values]
        clusters = await session.execute(
            text("SELECT presence_no, cluster, block FROM clusters ORDER BY presence_no")
        )
        return found, [tuple(row) for row in clusters]


async def judge(session: AsyncSession, a: int, b: int, verdict: str) -> None:
    """An officer's judgement of two shops, in place of an earlier one."""
    low, high = sorted((a, b))
    where = {"a": low, "b": high}
    await session.execute(text("DELETE FROM judgements WHERE shop_a = :a AND shop_b = :b"), where)
    await session.execute(
        text(
            "INSERT INTO judgements (shop_a, shop_b, verdict, reason, author, author_name, org_code,"
            " region_code, at, live) VALUES (:a, :b, :verdict, '', 't', 't', 't', '360000', now(), true)"
        ),
        {**where, "verdict": verdict},
    )


async def rule(session: AsyncSession, kind: int, key: int, ruling: str) -> None:
    """An officer's ruling on a value, in place of an earlier one."""
    where = {"kind": kind, "key": key}
    await session.execute(text("DELETE FROM hub_rulings WHERE kind = :kind AND key = :key"), where)
    await session.execute(
        text(
            "INSERT INTO hub_rulings (kind, key, ruling, reason, author, author_name, org_code,"
            " region_code, at, live) VALUES (:kind, :key, :ruling, '', 't', 't', 't', '360000', now(), true)"
        ),
        {**where, "ruling": ruling},
    )
