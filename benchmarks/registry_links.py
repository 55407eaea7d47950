"""The page of a shop's links and an explanation at 171,466 shops, each beside the bare SQL behind it.

    python -m benchmarks registry_links
    python -m benchmarks.registry_links --shops 171466 --asked 2000

Ours is the use case as the route calls it (a transaction, scoping, decisions, masking), without HTTP; the
floor is one statement on the same server that fetches the neighbours of the same shops.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from sqlalchemy import text

from benchmarks.row import Row
from infra.embedded.postgres import EmbeddedPostgres
from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims
from services.common.migrate import upgrade
from services.common.personal import PersonalData
from services.common.personal_keys import personal_data
from services.registry.identifiers.service import sealed_identifiers
from services.registry.linking.service import rebuild
from services.registry.links import explaining, service

SHOPS, ASKED, ROUNDS = 171_466, 1_000, 3
_BATCH = 5_000
_AIM_MS = 5.0
_OFFICER = Claims("u-bench", "bench", "360000-SJ", "省局", "360000", permissions=frozenset({"registry:read"}))
_SHOP = text(
    "INSERT INTO presences (id, name, channel, source, source_id, warnings, search_text, grams, org_code,"
    " region_code, created_by, created_at, updated_at)"
    " SELECT lpad(n::text, 26, '0'), '网店' || n, 'shop', 'bench', n::text, '[]', '', '{}', '360121-SJ',"
    " CASE WHEN n % 3 = 0 THEN '360702' ELSE '360121' END, 'bench', now(), now()"
    " FROM generate_series(1, :count) AS n"
)
_SHOWN = text(
    "INSERT INTO identifiers (presence_no, kind, key, value, source, first_seen, last_seen)"
    " SELECT no, kind, key, value, 'bench', :now, :now FROM unnest(CAST(:nos AS bigint[]),"
    " CAST(:kinds AS smallint[]), CAST(:keys AS bigint[]), CAST(:sealed AS bytea[]))"
    " AS given(no, kind, key, value) ON CONFLICT DO NOTHING"
)
_FLOOR = text(
    "SELECT p.id, p.name, i.kind FROM identifiers i"
    " JOIN identifier_values v ON v.kind = i.kind AND v.key = i.key AND NOT v.hub"
    " JOIN identifiers o ON o.kind = i.kind AND o.key = i.key AND o.ended_at IS NULL"
    " AND o.presence_no <> i.presence_no JOIN presences p ON p.no = o.presence_no"
    " WHERE i.presence_no = (SELECT no FROM presences WHERE id = :id) AND i.ended_at IS NULL"
)
_PAIRS = text(
    "SELECT a.id, b.id AS other FROM identifiers i JOIN identifiers o ON o.kind = i.kind AND o.key = i.key"
    " AND o.presence_no > i.presence_no JOIN presences a ON a.no = i.presence_no"
    " JOIN presences b ON b.no = o.presence_no WHERE i.presence_no % 17 = 0 LIMIT :count"
)


def invented(count: int, seed: int = 3) -> list[dict[str, str]]:
    """What each shop shows: operators of one to sixty shops, agents' phones on hundreds of shops."""
    rng, operator = random.Random(seed), 0
    shops: list[dict[str, str]] = []
    agents = [f"1507{n:07d}" for n in range(max(count // 1_500, 1))]
    while len(shops) < count:
        operator += 1
        size = rng.choices((1, 2, 3, 6, 20, 60), (60, 20, 10, 7, 2, 1))[0]
        for _ in range(size):
            shown = {
                "phone": f"139{operator:08d}" if rng.random() < 0.8 else rng.choice(agents),
                "wechat": f"op_{operator:07d}",
            }
            shops.append({name: value for name, value in shown.items() if rng.random() < 0.7})
    return shops[:count]


async def fill(database: Database, personal: PersonalData, count: int) -> None:
    """Shops with sealed values, linked by the engine."""
    shown, now = invented(count), utc_now()
    async with database.transaction() as session:
        await session.execute(text("SET LOCAL wangjian.linking = 'rebuild'"))
        await session.execute(_SHOP, {"count": count})
        nos = list((await session.scalars(text("SELECT no FROM presences ORDER BY no"))).all())
        for start in range(0, count, _BATCH):
            part = zip(nos[start : start + _BATCH], shown[start : start + _BATCH], strict=True)
            rows = [row for no, values in part for row in sealed_identifiers(personal, no, values)]
            columns = [list(column) for column in zip(*rows, strict=True)]
            given = dict(zip(("nos", "kinds", "keys", "sealed"), columns, strict=True))
            await session.execute(_SHOWN, {**given, "now": now})
    await rebuild(database, lambda *_: None)
    async with database.transaction() as session:
        await session.execute(text("ANALYZE"))


async def timed(ask: Callable[[str], Awaitable[object]], asked: list[str]) -> list[float]:
    """Milliseconds of each question, ascending."""
    taken = []
    for one in asked:
        start = time.perf_counter()
        await ask(one)
        taken.append((time.perf_counter() - start) * 1_000)
    return sorted(taken)


def p99(taken: list[float]) -> float:
    """The value 99 of 100 stay below."""
    return taken[int(len(taken) * 0.99) - 1]


async def measure(database: Database, personal: PersonalData, count: int, asked: int) -> list[Row]:
    """Page and explanation, the best of a few rounds each, beside the bare statement."""
    rng = random.Random(5)
    shops = [f"{rng.randint(1, count):026d}" for _ in range(asked)]
    async with database.transaction() as session:
        pairs = {row.id: row.other for row in await session.execute(_PAIRS, {"count": asked})}

    async def page(shop: str) -> None:
        async with database.transaction() as session:
            await service.page(session, personal, _OFFICER, shop)

    async def explanation(shop: str) -> None:
        async with database.transaction() as session:
            await explaining.explain(session, personal, _OFFICER, shop, pairs[shop])

    async def floor(shop: str) -> None:
        async with database.transaction() as session:
            (await session.execute(_FLOOR, {"id": shop})).all()

    best = {name: float("inf") for name in ("page", "explanation", "floor")}
    middle = dict(best)
    for _ in range(ROUNDS):
        for name, ask, questions in (
            ("floor", floor, shops),
            ("page", page, shops),
            ("explanation", explanation, list(pairs)),
        ):
            taken = await timed(ask, questions)
            best[name] = min(best[name], p99(taken))
            middle[name] = min(middle[name], taken[len(taken) // 2])
    label = "bare join of the same shop"
    return [
        Row(
            f"{what}, p99",
            best[name],
            best["floor"],
            "ms",
            label,
            target_ratio=0,
            allowance=_AIM_MS,
            note=f"{count:,} shops; p50 {middle[name]:.2f} ms, floor's {middle['floor']:.2f}",
        )
        for name, what in (("page", "links of a shop"), ("explanation", "explanation of a link"))
    ]


async def _whole(url: str, count: int, asked: int) -> list[Row]:
    database = Database(url, "registry")
    try:
        personal = await personal_data(database)
        await fill(database, personal, count)
        return await measure(database, personal, count, asked)
    finally:
        await database.close()


def rows(count: int = SHOPS, asked: int = ASKED) -> list[Row]:
    """Rows of this benchmark, on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="wj-bench-") as home:
        server = EmbeddedPostgres(Path(home), Path(home) / "run")
        server.start()
        try:
            server.ensure_database("registry")
            url = server.url("registry")
            upgrade("registry", url)
            return uvloop.run(_whole(url, count, asked))
        finally:
            server.stop()


def main() -> None:
    """Command line of this benchmark alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.registry_links")
    parser.add_argument("--shops", type=int, default=SHOPS)
    parser.add_argument("--asked", type=int, default=ASKED)
    given = parser.parse_args()
    for row in rows(given.shops, given.asked):
        print(f"{row.name}: {row.ours:.2f} {row.unit}, floor {row.floor:.2f} ({row.note})")


if __name__ == "__main__":
    main()
