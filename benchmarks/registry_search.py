"""First page of the list of presences, its facets and an entity page, at 171,466 and 2,000,000 names.

    python -m benchmarks registry_search                                  the aims, at 171,466 names
    python -m benchmarks.registry_search --names 171466 --names 2000000   every class of query, beside pg_trgm

Ours is the use case as the route calls it (a transaction, the query, rows opened and masked), without HTTP;
the peer is a bare statement on a table of names alone, which flatters it.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.registry_names import Shop, shops
from benchmarks.row import Row
from benchmarks.trigram_peer import TrigramPeer
from infra.embedded.postgres import EmbeddedPostgres
from services.common.database import Database
from services.common.identity import Claims
from services.common.migrate import upgrade
from services.common.personal import PersonalData
from services.common.personal_keys import personal_data
from services.registry.presences.listing import list_presences, presence_facets
from services.registry.presences.schemas import PresenceQuery
from services.registry.presences.service import get_presence
from services.registry.search.rules import contact_grams_many, search_fields_many

SMALL, LARGE = 171_466, 2_000_000
_PAGE = 20
_QUERIES = 150
_BATCH = 5_000
_COMMON = ("有限公司", "公司", "旗舰店", "贸易", "赣州", "南昌市", "电子商务", "江西", "食品有限公司", "店")
_COLUMNS = (
    "id, region_code, name, platform, status, licence, channel, source, source_id, warnings, search_text,"
    " grams, contact_grams, personal, org_code, created_by, created_at, updated_at"
)
_AIMS = {SMALL: 10.0, LARGE: 20.0}


@dataclass(frozen=True)
class Query:
    """One question of a class: what is typed, and in which county if in one."""

    kind: str
    text: str
    region: str | None


@dataclass(frozen=True)
class Figure:
    """Milliseconds of a class of queries."""

    kind: str
    p50: float
    p99: float


def figure(kind: str, times: list[float]) -> Figure:
    """Median and 99th percentile of seconds, as milliseconds."""
    ordered = sorted(times)
    at = min(len(ordered) - 1, int(len(ordered) * 0.99))
    return Figure(kind, ordered[len(ordered) // 2] * 1000, ordered[at] * 1000)


def questions(known: list[Shop], seed: int = 9) -> Iterator[Query]:
    """Pieces of existing names, common words, numbers and contacts; each with and without a county.

    The county is the shop's own or, every other time, any other's: then the words and the county often
    exclude each other, which is the hard case.
    """
    draw = random.Random(seed)
    regions = [shop.region for shop in known]

    def both(kind: str, text: str, region: str) -> Iterator[Query]:
        yield Query(kind, text, None)
        yield Query(f"{kind}, county", text, draw.choice((region, draw.choice(regions))))

    for size in (2, 3, 4, 6):
        for shop in draw.sample(known, _QUERIES):
            begin = draw.randrange(max(len(shop.name) - size, 0) + 1)
            yield from both(f"{size} characters", shop.name[begin : begin + size], shop.region)
    for shop in draw.sample(known, _QUERIES):
        yield from both("common word", draw.choice(_COMMON), shop.region)
        yield from both("telephone", shop.phone, shop.region)
        yield from both("last 4 of a telephone", shop.phone[-4:], shop.region)
        yield from both("last 6 of a licence", (shop.licence or shop.phone)[-6:], shop.region)
        yield from both("no words", "", shop.region)


def _batched(made: Iterable[Shop], size: int) -> Iterator[list[Shop]]:
    source = iter(made)
    while some := list(islice(source, size)):
        yield some


def stored(personal: PersonalData, made: Iterable[Shop]) -> Iterator[tuple[Any, ...]]:
    """The shops as rows for COPY."""
    now = datetime(2026, 11, 1, tzinfo=UTC)
    for number, some in enumerate(_batched(made, _BATCH)):
        ids = [f"{number * _BATCH + at:026d}" for at in range(len(some))]
        fields = search_fields_many(
            [[s.name, s.licence, s.platform, i[-8:]] for s, i in zip(some, ids, strict=True)]
        )
        contacts = [{"phone": shop.phone, "address": shop.address} for shop in some]
        keyed = contact_grams_many(contacts, personal.gram)
        for shop, row, (text, grams), private, hidden in zip(some, ids, fields, contacts, keyed, strict=True):
            sealed = personal.seal(private, row)
            yield (
                row, shop.region, shop.name, shop.platform, shop.status, shop.licence, "shop", "bench",
                row[-8:], "[]", text, grams, hidden, sealed, "360000-SJ", "bench", now, now,
            )  # fmt: skip


def _fill(url: str, personal: PersonalData, count: int) -> tuple[float, float]:
    """Load the shops; gives microseconds a row, and how many bytes of index a row has."""
    began = time.perf_counter()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        with connection.cursor() as cursor, cursor.copy(f"COPY presences ({_COLUMNS}) FROM STDIN") as copy:
            for row in stored(personal, shops(count)):
                copy.write_row(row)
        taken = time.perf_counter() - began
        connection.execute("VACUUM ANALYZE presences")
        size = connection.execute("SELECT pg_relation_size('ix_presences_search')").fetchone()
    return taken / count * 1e6, (size[0] if size else 0) / count


async def _timed(asked: Iterable[Query], ask: Callable[[Query], Awaitable[object]]) -> list[Figure]:
    times: dict[str, list[float]] = {}
    for query in asked:
        began = time.perf_counter()
        await ask(query)
        times.setdefault(query.kind, []).append(time.perf_counter() - began)
    return [figure(kind, taken) for kind, taken in times.items()]


async def _ours(database: Database, personal: PersonalData, known: list[Shop]) -> dict[str, list[Figure]]:
    claims = Claims("u", "u", "360000-SJ", "省局", "360000", permissions=frozenset({"registry:read"}))

    def query(asked: Query) -> PresenceQuery:
        return PresenceQuery(q=asked.text or None, region=asked.region, limit=_PAGE)

    async def first_page(asked: Query) -> object:
        async with database.transaction() as session:
            return await list_presences(session, personal, claims, query(asked))

    async def facets(asked: Query) -> object:
        async with database.transaction() as session:
            return await presence_facets(session, personal, claims, query(asked))

    async def entity(asked: Query) -> object:
        async with database.transaction() as session:
            return await get_presence(session, personal, claims, asked.text)

    asked = list(questions(known))
    ids = random.Random(5).sample(range(len(known)), 2 * _QUERIES)
    pages = [Query("entity page", f"{at:026d}", None) for at in ids]
    await _timed(asked[:40], first_page)  # connections, statements, shape
    return {
        "first page": await _timed(asked, first_page),
        "facets": await _timed(asked, facets),
        "entity": await _timed(pages, entity),
    }


def measure(count: int, *, peer: bool) -> dict[str, list[Figure]]:
    """All figures at this many names; with the peer's when asked and installed."""
    with tempfile.TemporaryDirectory(prefix="wj-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        server = EmbeddedPostgres(home, home / "run").start()
        try:
            server.ensure_database("registry")
            url = server.url("registry")
            upgrade("registry", url)
            found = asyncio.run(_measured(url, count))
        finally:
            server.stop()
    if peer and TrigramPeer.installed():
        found["pg_trgm"] = _peer(count)
    return found


async def _measured(url: str, count: int) -> dict[str, list[Figure]]:
    database = Database(url, "registry")
    try:
        personal = await personal_data(database)
        per_row, index = await asyncio.to_thread(_fill, url, personal, count)
        print(
            f"{count:,} rows loaded: {per_row:.0f} µs a row (made, sealed, grams, COPY),"
            f" index {index:.0f} B a row"
        )
        return await _ours(database, personal, list(shops(count)))
    finally:
        await database.close()


def _peer(count: int) -> list[Figure]:
    known = list(shops(count))
    with TrigramPeer() as server:
        server.fill((no, shop.region, shop.name) for no, shop in enumerate(known, 1))

        async def ask(asked: Query) -> object:
            return server.first_page(asked.text, asked.region, _PAGE + 1)

        named = [q for q in questions(known) if "character" in q.kind or "common" in q.kind]
        return asyncio.run(_timed(named, ask))


def rows() -> list[Row]:
    """The aims at 171,466 names: the slowest class of each kind of page."""
    found = measure(SMALL, peer=False)

    def row(name: str, figures: list[Figure], aim: float) -> Row:
        worst = max(figures, key=lambda one: one.p99)
        return Row(name, worst.p99, aim, "ms", f"the aim; slowest class: {worst.kind}", 1.0)

    return [
        row(f"search, first page, p99 at {SMALL:,}", found["first page"], _AIMS[SMALL]),
        row(f"entity page, p99 at {SMALL:,}", found["entity"], 50.0),
    ]


def main() -> None:
    """Print every class at the sizes asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.registry_search")
    parser.add_argument("--names", type=int, action="append", help="default: 171,466 and 2,000,000")
    given = parser.parse_args()
    if not TrigramPeer.installed():
        print("pg_trgm: PostgreSQL 15 of Debian is not installed (apt-get install postgresql); left out")
    for count in given.names or (SMALL, LARGE):
        for part, figures in measure(count, peer=True).items():
            for one in figures:
                print(
                    f"{count:>9,}  {part:<10}  {one.kind:<30}  p50 {one.p50:8.2f} ms  p99 {one.p99:8.2f} ms"
                )


if __name__ == "__main__":
    main()
