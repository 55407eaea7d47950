"""Importing a list of 171,466 shops: from the kept file to searchable, sealed rows.

    python -m benchmarks registry_import      (a minute)

Ours is all the work of the service on one list: reading, checks, sealing, identifiers with keyed hashes, the
grams of search, and writing into tables with all their indexes, in batches that survive a kill; links are
followed afterwards. Floors: PostgreSQL's COPY of the same nine columns as text into a bare table; COPY of the
finished rows into the same tables.
"""

import asyncio
import csv
import io
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.row import Row
from infra.embedded.postgres import EmbeddedPostgres
from infra.shop_generator.spelling import columns
from infra.shop_generator.world import make
from services.common.database import Database
from services.common.identity import Claims
from services.common.migrate import upgrade
from services.common.personal import PersonalData
from services.common.personal_keys import personal_data
from services.registry.bootstrap import load_divisions
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.rules import COLUMNS
from services.registry.imports.runner import ImportRunner
from services.registry.imports.schemas import ImportOut
from services.registry.imports.service import get_import, import_now, receive, start

ROWS = 171_466
_CLAIMS = Claims("u-1", "benchmark", "360000-SJ", "江西省市场监督管理局", "360000")


def shop_list(count: int, seed: int = 4) -> bytes:
    """A list as it comes: shops with hidden operators, spellings and gaps (`infra.shop_generator`)."""
    table, out = columns(make(count, seed)), io.StringIO()
    write = csv.writer(out)
    write.writerow(table)
    write.writerows(zip(*table.values(), strict=True))
    return out.getvalue().encode()


@asynccontextmanager
async def registry_at(server: EmbeddedPostgres, folder: Path, name: str) -> AsyncIterator[tuple[Any, ...]]:
    """(database, personal, files) of a new registry in a database of this name."""
    server.ensure_database(name)
    await asyncio.to_thread(upgrade, "registry", server.url(name))
    database = Database(server.url(name), "registry")
    try:
        await load_divisions(database)
        personal = await personal_data(database)
        yield database, personal, KeptFiles(folder / "imports", personal)
    finally:
        await database.close()


async def take_in(database: Database, personal: PersonalData, files: KeptFiles, data: bytes) -> ImportOut:
    """Import a list to the end, as the province."""
    stream = io.BytesIO(data)
    return await import_now(
        database, files, personal, _CLAIMS, stream=stream, filename="list.csv", source="benchmark"
    )


async def _ours(
    database: Database, personal: PersonalData, files: KeptFiles, data: bytes
) -> tuple[float, float]:
    """Seconds until the list is taken in, and until its grams are sorted in, which goes on behind it."""
    began = time.perf_counter()
    stream = io.BytesIO(data)
    got = await receive(database, files, _CLAIMS, stream=stream, filename="list.csv", source="benchmark")
    async with database.transaction() as session:
        await start(session, _CLAIMS, got.id)
    runner = ImportRunner(database, files, personal)
    assert await runner.run_next()
    done = time.perf_counter() - began
    await runner.finished()
    async with database.transaction() as session:
        result = await get_import(session, _CLAIMS, got.id)
    assert result.state == "done" and result.created == ROWS, result
    return done, time.perf_counter() - began


def _bare(url: str, data: bytes) -> float:
    """COPY of the list as it stands into a table of nine texts without an index."""
    columns = ", ".join(f'"{name}" text' for name in COLUMNS)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute(f"CREATE TABLE bare ({columns})")
        began = time.perf_counter()
        with connection.cursor().copy("COPY bare FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write(data)
        return time.perf_counter() - began


def _finished(url: str, folder: Path) -> float:
    """COPY of the rows the import made, as they are, into tables like theirs with the same indexes."""
    with psycopg.connect(url, autocommit=True) as connection:
        total = 0.0
        for table in ("subjects", "presences", "identifiers"):
            columns = ", ".join(_columns(connection, table))
            file = folder / table
            with (
                file.open("wb") as out,
                connection.cursor().copy(f"COPY {table} ({columns}) TO STDOUT (FORMAT binary)") as copy,
            ):
                for block in copy:
                    out.write(block)
            connection.execute(f"DROP TABLE IF EXISTS like_{table}")
            connection.execute(f"CREATE TABLE like_{table} (LIKE {table} INCLUDING ALL)")
            began = time.perf_counter()
            with connection.cursor().copy(
                f"COPY like_{table} ({columns}) FROM STDIN (FORMAT binary)"
            ) as copy:
                for block in _blocks(file):
                    copy.write(block)
            total += time.perf_counter() - began
        return total


def _columns(connection: psycopg.Connection[Any], table: str) -> list[str]:
    query = (
        "SELECT attname FROM pg_attribute WHERE attrelid = CAST(%s AS regclass) AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
    )
    return [f'"{row[0]}"' for row in connection.execute(query, (table,)).fetchall()]


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while block := source.read(1 << 20):
            yield block


async def _measure(folder: Path, data: bytes) -> tuple[tuple[float, float], float, float, float]:
    server = EmbeddedPostgres(folder, folder / "run")
    await asyncio.to_thread(server.start)
    try:
        async with registry_at(server, folder, "registry") as (database, personal, files):
            ours = await _ours(database, personal, files, data)
            began = time.perf_counter()
            same = await take_in(database, personal, files, data)
            again = time.perf_counter() - began
            assert same.unchanged == ROWS
        url = server.url("registry").replace("+psycopg", "")
        bare = min([await asyncio.to_thread(_bare, url, data) for _ in range(3)])
        return ours, again, bare, await asyncio.to_thread(_finished, url, folder)
    finally:
        await asyncio.to_thread(server.stop)


def rows() -> list[Row]:
    """The list taken in for the first time, and again unchanged."""
    data = shop_list(ROWS)
    with tempfile.TemporaryDirectory(prefix="wj-bench-") as folder:
        (Path(folder) / "run").mkdir(mode=0o700)
        ours, again, bare, finished = asyncio.run(_measure(Path(folder), data))
    done, sorted_in = ours
    per_row = f"{done / ROWS * 1e6:.0f} µs a row, {len(data) / 1e6:.0f} MB; links are made after it"
    bare_label = "COPY of the same list into a bare table"
    finished_label = "COPY of the finished rows into the same tables with their indexes"
    return [
        Row("import 171,466 shops", done, bare, "s", bare_label, 0.0, 20.0, per_row),
        Row("the same, its grams sorted in", sorted_in, finished, "s", finished_label, 1.5),
        Row("the same list again, unchanged", again, bare, "s", bare_label, 0.0, 10.0),
    ]
