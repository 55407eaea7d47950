"""Linking: everything anew, one changed shop, and how right it is; on a seeded world with super-nodes.

    python -m benchmarks registry_linking                      171,466 shops
    python -m benchmarks.registry_linking --shops 10000000     ten million (8 GB of disk, 4 GB of memory)

Floors: joining whatever is shared, on the same arrays in memory; one row written and committed. The event
loop is the services' own. With Splink installed (it is no dependency) its time and quality on the same shops
are shown beside ours.
"""

import argparse
import asyncio
import importlib.util
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import uvloop
from sqlalchemy import text

from benchmarks.row import Row
from infra.embedded.postgres import EmbeddedPostgres
from infra.shop_generator.scoring import oracle, score
from infra.shop_generator.world import World, make
from services.common.database import Database
from services.common.migrate import upgrade
from services.common.settings import Settings
from services.registry.linking import service
from services.registry.linking.bulk.repository import connect
from services.registry.linking.grouping import group
from services.registry.linking.incidence import build
from services.registry.linking.rebuilding import frame

SHOPS, SEED = 171_466, 83
_FIRST, _CHANGES = 100, 1_000
_AIMS = {SHOPS: 5.0, 10_000_000: 120.0}
_INTO = (
    "COPY identifiers (presence_no, kind, key, value, source, first_seen, last_seen)"
    " FROM STDIN (FORMAT binary)"
)
_INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename = 'identifiers' AND indexname LIKE 'ix%'"
_WITHOUT = (
    "ALTER TABLE identifiers DROP CONSTRAINT pk_identifiers;"
    " DROP INDEX ix_identifiers_kind_key_presence_no, ix_identifiers_ended"
)
_KEYS = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'pk_identifiers'"
_KEY = "ALTER TABLE identifiers ADD CONSTRAINT pk_identifiers {}"
_SHOWN = text("SELECT kind, key FROM identifiers WHERE presence_no = :no AND ended_at IS NULL")
_SHOW = text(
    "INSERT INTO identifiers (presence_no, kind, key, value, source, first_seen, last_seen)"
    " VALUES (:no, :kind, :key, '', 'bench', now(), now())"
    " ON CONFLICT (presence_no, kind, key) DO UPDATE SET ended_at = NULL"
)


@asynccontextmanager
async def _registry(world: World) -> AsyncIterator[Database]:
    """A registry in which the world's identifiers stand; shop 0 of the world has the number 1."""
    with tempfile.TemporaryDirectory(prefix="wj-bench-") as folder:
        settings = Settings(home=Path(folder))
        server = EmbeddedPostgres(settings.home, settings.run_dir)
        await asyncio.to_thread(server.start)
        server.ensure_database("registry")
        await asyncio.to_thread(upgrade, "registry", server.url("registry"))
        database = Database(server.url("registry"), "registry")
        try:
            await _load(database, world)
            yield database
        finally:
            await database.close()
            await asyncio.to_thread(server.stop)


async def _load(database: Database, world: World) -> None:
    kind, key, shop = world.facts()
    order = np.argsort(shop, kind="stable")
    connection = await connect(database.engine.url)
    await connection.execute("SET wangjian.linking = 'rebuild'")
    await connection.execute("SET maintenance_work_mem = '1GB'")
    cursor = await connection.execute(_INDEXES)
    indexes = [definition for (definition,) in await cursor.fetchall()]
    (key_of,) = await (await connection.execute(_KEYS)).fetchone() or ("",)
    await connection.execute(_WITHOUT)  # made anew below: at ten million shops a third of the time
    async with connection.cursor() as cursor, cursor.copy(_INTO) as copy:
        await copy.write(b"PGCOPY\n\xff\r\n\x00" + bytes(8))
        for begin in range(0, len(order), 500_000):
            part = order[begin : begin + 500_000]
            form = (("i8", 8), ("i2", 2), ("i8", 8), ("S60", 60), ("S5", 5), ("i8", 8), ("i8", 8))
            rows = frame(len(part), form)
            rows["v0"], rows["v1"], rows["v2"] = shop[part] + 1, kind[part], key[part]
            rows["v3"], rows["v4"] = b"x" * 60, b"bench"
            await copy.write(rows.tobytes())
        await copy.write(b"\xff\xff")
    for index in [_KEY.format(key_of), *indexes]:
        await connection.execute(index.encode())
    await connection.execute("VACUUM ANALYZE identifiers")
    await connection.close()


async def _change(database: Database, shops: int) -> tuple[list[float], list[float]]:
    """Seconds in which one shop comes to show what another shows, committed: with following, and without.

    The first changes prepare the statements and are not counted. The floor comes last: what it writes is
    left to be followed, which the others are not to find.
    """
    chance, ours, floor = random.Random(5), [], []
    await service.warm(database)  # as the registry does when it starts
    for number in range(_FIRST + _CHANGES):
        async with database.transaction() as session:
            rows = (await session.execute(_SHOWN, {"no": chance.randint(1, shops)})).all()
        if not rows:
            continue
        kind, key = chance.choice(rows)
        values = {"no": chance.randint(1, shops), "kind": kind, "key": key}
        began = time.perf_counter()
        async with database.transaction() as session:
            await session.execute(_SHOW, values)
            await service.changed(session, [values["no"]])
        if number >= _FIRST:
            ours.append(time.perf_counter() - began)
    for _ in range(_CHANGES):
        began = time.perf_counter()
        async with database.transaction() as session:
            values = {"no": chance.randint(1, shops), "kind": 1, "key": chance.getrandbits(62)}
            await session.execute(_SHOW, values)
        floor.append(time.perf_counter() - began)
    return sorted(ours), sorted(floor)


def _quality(world: World, clusters: dict[int, int]) -> str:
    found = np.arange(world.shops)
    for no, cluster in clusters.items():
        found[no - 1] = cluster - 1
    ours, best = score(found, world.operator), oracle(world)
    return (
        f"pairs right {ours.precision:.4f}, F1 {ours.f1 / best.f1:.1%} of the oracle's,"
        f" largest cluster {ours.largest} (operator {int(np.bincount(world.operator).max())})"
    )


def _floor(world: World) -> float:
    began = time.perf_counter()
    inc = build(*world.facts())
    group(inc, np.ones(inc.values, bool), np.ones(inc.values, bool))
    return time.perf_counter() - began


async def measure(shops: int = SHOPS, hubs: float = 1.0) -> list[Row]:
    """The rows of one world."""
    world = make(shops, SEED, hubs)
    async with _registry(world) as database:
        times = []
        for _ in range(3 if shops < 1_000_000 else 1):
            began = time.perf_counter()
            await service.rebuild(database)
            times.append(time.perf_counter() - began)
        async with database.transaction() as session:
            rows = await session.execute(text("SELECT presence_no, cluster FROM clusters"))
            clusters = {row.presence_no: row.cluster for row in rows}
        ours, floor = await _change(database, shops)
    note = _quality(world, clusters)
    if shops <= SHOPS and importlib.util.find_spec("splink"):
        from benchmarks.splink_peer import beside

        note += "\n" + await asyncio.to_thread(beside, world)
    at = int(len(ours) * 0.99)
    name = f"{shops:,} shops"
    return [
        Row(
            f"linking rebuilt, {name}",
            min(times),
            _floor(world),
            "s",
            "whatever is shared joined, in memory",
            0,
            _AIMS.get(shops, 120.0),
            note,
        ),
        Row(
            f"a changed shop in links, p99, {name}",
            ours[at] * 1000,
            floor[at] * 1000,
            "ms",
            "the row written and committed",
            1,
            10.0,
            f"p50 {ours[len(ours) // 2] * 1000:.1f} ms, floor {floor[len(floor) // 2] * 1000:.1f} ms",
        ),
    ]


def rows() -> list[Row]:
    """The rows of the table."""
    return uvloop.run(measure())


def main() -> None:
    """Any number of shops, from the command line."""
    from rich.console import Console

    from benchmarks.__main__ import machine, table

    parser = argparse.ArgumentParser(prog="python -m benchmarks.registry_linking")
    parser.add_argument("--shops", type=int, default=SHOPS)
    parser.add_argument("--hubs", type=float, default=1.0)
    given = parser.parse_args()
    found = uvloop.run(measure(given.shops, given.hubs))
    console = Console(width=150)
    console.print(machine())
    console.print(table(found))


if __name__ == "__main__":
    main()
