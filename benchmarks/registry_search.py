"""First page of the list of presences, its facets and entity pages, at 171,466 and 2,000,000 names.

    python -m benchmarks registry_search                     the aims, at 171,466 names, beside pg_trgm
    python -m benchmarks.registry_search --names 2000000 --home FOLDER --prepare      makes the data in FOLDER
    python -m benchmarks.registry_search --names 2000000 --home FOLDER                and measures them

Before anything is measured every row is read once, and other questions of the same classes are asked.

Ours is the use case as the route calls it (a transaction, the query, rows opened and masked), without HTTP;
the peer is a bare statement on a table of the same names alone, which flatters it.
"""

import argparse
import asyncio
import gc
import math
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.registry_names import OLD_COUNTY, Shop
from benchmarks.registry_rows import identity, known, load, running, subject_of, tell
from benchmarks.row import Row
from benchmarks.trigram_peer import TrigramPeer
from services.common.database import Database
from services.common.identity import Claims
from services.common.personal_keys import personal_data
from services.registry.bootstrap import shipped_divisions
from services.registry.presences.listing import list_presences, presence_facets
from services.registry.presences.schemas import PresenceQuery
from services.registry.presences.service import get_presence
from services.registry.subjects.service import get_subject

SMALL, LARGE = 171_466, 2_000_000
_PAGE = 20
_QUERIES, _WARMING = 200, 30
# Facets and the peer are asked each seventh question: as many of every class.
_FEWER = 7
_COMMON = ("有限公司", "公司", "旗舰店", "贸易", "赣州", "南昌市", "电子商务", "江西", "食品有限公司", "店")
_AIM = 10.0


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
    at = math.ceil(len(ordered) * 0.99) - 1
    return Figure(kind, ordered[len(ordered) // 2] * 1000, ordered[at] * 1000)


def questions(known: list[Shop], each: int = _QUERIES, seed: int = 9) -> Iterator[Query]:
    """Pieces of existing names, common words, numbers and contacts; each with and without a county.

    The county is the shop's own or, every other time, any other's: then the words and the county often
    exclude each other, which is the hard case.
    """
    draw = random.Random(seed)
    regions = [shop.region for shop in known]
    cities = [d.name for d in shipped_divisions() if d.code.endswith("00") and d.code[2:4] != "00"]

    def both(kind: str, text: str, region: str) -> Iterator[Query]:
        yield Query(kind, text, None)
        yield Query(f"{kind}, county", text, draw.choice((region, draw.choice(regions))))

    for size in (2, 3, 4, 6):
        for shop in draw.sample(known, each):
            begin = draw.randrange(max(len(shop.name) - size, 0) + 1)
            yield from both(f"{size} characters", shop.name[begin : begin + size], shop.region)
    for shop in draw.sample(known, each):
        licence = shop.licence or shop.phone
        yield from both("common word", draw.choice(_COMMON), shop.region)
        yield from both("telephone", shop.phone, shop.region)
        yield from both("last 4 of a telephone", shop.phone[-4:], shop.region)
        yield from both("last 6 of a licence", licence[-6:], shop.region)
        yield from both("no words", "", shop.region)
        yield from both("one character", draw.choice(shop.name), shop.region)
        yield from both("a character on no row", chr(draw.randrange(0x8800, 0x9FA0)), shop.region)
        yield from both("two letters or digits", licence[-2:], shop.region)
        yield from both("three digits", shop.phone[-3:], shop.region)
        city = draw.choice(cities)
        yield Query("a city's name in another's county", city[: draw.choice((2, 3))], shop.region)
        yield Query("a county of old rows", draw.choice(("", shop.phone[-4:], *_COMMON)), OLD_COUNTY)


async def _timed(asked: Iterable[Query], ask: Callable[[Query], Awaitable[object]]) -> list[Figure]:
    times: dict[str, list[float]] = {}
    for query in asked:
        began = time.perf_counter()
        await ask(query)
        times.setdefault(query.kind, []).append(time.perf_counter() - began)
    return [figure(kind, taken) for kind, taken in times.items()]


async def _ours(url: str, count: int, asked: list[Query], others: list[Query]) -> dict[str, list[Figure]]:
    claims = Claims("u", "u", "360000-SJ", "省局", "360000", permissions=frozenset({"registry:read"}))
    database = Database(url, "registry")

    def query(asked: Query) -> PresenceQuery:
        return PresenceQuery(q=asked.text or None, region=asked.region, limit=_PAGE)

    async def first_page(asked: Query) -> object:
        async with database.reading() as session:
            return await list_presences(session, personal, claims, query(asked))

    async def facets(asked: Query) -> object:
        async with database.reading() as session:
            return await presence_facets(session, personal, claims, query(asked))

    async def entity(asked: Query) -> object:
        async with database.transaction() as session:
            if asked.kind == "shop":
                return await get_presence(session, personal, claims, asked.text)
            return await get_subject(session, personal, claims, asked.text)

    try:
        personal = await personal_data(database)
        await _timed(others, first_page)
        gc.freeze()  # as the launcher does before a service's process begins
        pages = await _timed(asked, first_page)
        tell("first pages measured")
        spread = await _timed(asked[::_FEWER], facets)
        tell("facets measured")
        return {"first page": pages, "facets": spread, "entity page": await _timed(_entities(count), entity)}
    finally:
        await database.close()


def _entities(count: int) -> list[Query]:
    """Shops, subjects of a few shops, subjects of a hundred and fifty."""
    draw = random.Random(5)
    nos = draw.sample(range(1, count + 1), _QUERIES)
    many = [block * 4_000 + 5 for block in draw.choices(range(1, count // 4_000), k=_QUERIES)]
    shops = [Query("shop", identity(no), None) for no in nos]
    subjects = [Query("subject", identity(subject_of(no)), None) for no in nos]
    return shops + subjects + [Query("subject of 150 shops", identity(subject_of(no)), None) for no in many]


def _peer(url: str, asked: list[Query]) -> list[Figure]:
    """pg_trgm on the names of the same rows; of the classes that a table of names can answer."""
    with TrigramPeer() as server:
        with psycopg.connect(url.replace("+psycopg", "")) as source:
            server.fill(source.execute("SELECT no, region_code, name FROM presences ORDER BY no"))
        tell("pg_trgm filled")

        async def ask(one: Query) -> object:
            return server.first_page(one.text, one.region, _PAGE + 1)

        told = ("character", "common", "words", "name", "old")
        known = [one for one in asked if any(word in one.kind for word in told)]
        return asyncio.run(_timed(known[::_FEWER], ask))


def measure(count: int, home: Path, each: int, *, beside: bool = True) -> dict[str, list[Figure]]:
    """All figures at this many names, with the peer's where it is installed; data are made where missing.

    beside: measure the peer too.
    """
    with running(home) as url:
        load(url, count)
        _read_all(url)
        shops = known(url, count, 10 * each)
        asked, others = list(questions(shops, each)), list(questions(shops, _WARMING, seed=3))
        tell(f"{len(asked):,} questions at {count:,} names")
        found = asyncio.run(_ours(url, count, asked, others))
        if beside and TrigramPeer.installed():
            found["pg_trgm"] = _peer(url, asked)
    return found


def _read_all(url: str) -> None:
    """Read every row by its number: what is read in the table's own order is not kept in the buffers."""
    by_number = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "jit")
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        for way in by_number:
            connection.execute(f"SET {way} = off")
        for table in ("presences", "subjects"):
            connection.execute(
                f"SELECT max(length(search_text)) FROM (SELECT search_text FROM {table} ORDER BY no) AS t"  # noqa: S608
            )


def rows() -> list[Row]:
    """Every class of first page at 171,466 names; facets and pages of entities by their slowest class."""
    with tempfile.TemporaryDirectory(prefix="wj-bench-") as folder:
        Path(folder).chmod(0o755)
        found = measure(SMALL, Path(folder) / "home", _QUERIES)
    peer = {one.kind: f"; pg_trgm {one.p50:.1f} / {one.p99:.1f} ms" for one in found.get("pg_trgm", [])}

    def row(name: str, one: Figure, aim: float) -> Row:
        note = f"p50 {one.p50:.1f} ms{peer.get(one.kind, '')}"
        return Row(f"{name}, {one.kind}, p99 at {SMALL:,}", one.p99, aim, "ms", "the aim", 1.0, note=note)

    def slowest(name: str, aim: float) -> Row:
        return row(name, max(found[name], key=lambda one: one.p99), aim)

    pages = [row("search", one, _AIM) for one in found["first page"]]
    return [*pages, slowest("facets", 100.0), slowest("entity page", 50.0)]


def main() -> None:
    """Print every class at the size asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.registry_search")
    parser.add_argument("--names", type=int, default=LARGE)
    parser.add_argument("--each", type=int, default=_QUERIES, help="questions of a class")
    parser.add_argument("--home", type=Path, help="keep the data here; default: a temporary folder")
    parser.add_argument("--prepare", action="store_true", help="make the data in --home, measure nothing")
    parser.add_argument("--alone", action="store_true", help="without pg_trgm beside it")
    given = parser.parse_args()
    if given.prepare:
        with running(given.home) as url:
            return load(url, given.names)
    if not given.alone and not TrigramPeer.installed():
        print("pg_trgm: PostgreSQL 15 of Debian is not installed (apt-get install postgresql); left out")
    with tempfile.TemporaryDirectory(prefix="wj-bench-") as folder:
        Path(folder).chmod(0o755)
        home = given.home or Path(folder) / "home"
        found = measure(given.names, home, given.each, beside=not given.alone)
    for part, figures in found.items():
        for one in figures:
            print(f"{part:<12} {one.kind:<36} p50 {one.p50:8.2f} ms  p99 {one.p99:8.2f} ms")


if __name__ == "__main__":
    main()
