"""Databases of synthetic shops for the search benchmark: made once, kept in a folder, measured many times."""

import asyncio
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Index, create_engine

from benchmarks.registry_names import Shop, shops
from infra.embedded.postgres import EmbeddedPostgres
from services.common.database import Database
from services.common.migrate import upgrade
from services.common.personal import PersonalData
from services.common.personal_keys import personal_data
from services.registry.identifiers.kinds import FIELD_OF_KIND, Kind
from services.registry.presences.models import Presence
from services.registry.search.rules import contact_grams_many, search_fields_many
from services.registry.subjects.models import Subject

SHOPS_OF_ONE = 4  # shops of a subject; each thousandth subject has 150
_BATCH = 5_000
_NOW = datetime(2026, 11, 1, tzinfo=UTC)
_SUBJECT = (
    "id, region_code, name, kind, status, licence, licence_norm, source, warnings, search_text, grams,"
    " contact_grams, personal, org_code, created_by, created_at, updated_at"
)
_PRESENCE = (
    "no, id, subject_id, region_code, name, platform, status, licence, channel, source, source_id, warnings,"
    " search_text, grams, contact_grams, personal, org_code, created_by, created_at, updated_at"
)
_IDENTIFIER = "presence_no, kind, key, value, source, first_seen, last_seen"
_SAME = ("360000-SJ", "bench", _NOW, _NOW)


def tell(text: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A server on this folder's data; gives the registry's URL. Its keys lie in the folder too."""
    folder.mkdir(mode=0o755, exist_ok=True)
    os.environ["WANGJIAN_SECRETS_DIR"] = str(folder / "secrets")
    server = EmbeddedPostgres(folder, folder / "run").start()
    try:
        server.ensure_database("registry")
        upgrade("registry", server.url("registry"))
        yield server.url("registry")
    finally:
        server.stop()


def identity(number: int) -> str:
    """Id of the row with this number."""
    return f"{number:026d}"


def subject_of(no: int) -> int:
    """Number in the id of the subject whose shop this is."""
    block, at = divmod(no, 1_000 * SHOPS_OF_ONE)
    return block * 1_000 if at < 150 else block * 1_000 + at // SHOPS_OF_ONE


def _rows(personal: PersonalData, first: int, made: list[Shop]) -> tuple[list[Any], list[Any], list[Any]]:
    """Rows of subjects, presences and identifiers for COPY."""
    nos = range(first, first + len(made))
    ids, regions = [identity(no) for no in nos], [shop.region for shop in made]
    fields = search_fields_many(
        [[s.name, s.licence, s.platform, i[-8:]] for s, i in zip(made, ids, strict=True)], regions
    )
    contacts = [{"phone": shop.phone, "address": shop.address} for shop in made]
    keyed = contact_grams_many(contacts, regions, personal.gram)
    subjects, presences, identifiers = [], [], []
    each = zip(made, nos, ids, fields, contacts, keyed, strict=True)
    for shop, no, row, (text, grams), private, hidden in each:
        owner = subject_of(no)
        found = (text, grams, hidden, personal.seal(private, row), *_SAME)
        presences.append(
            (no, row, identity(owner), shop.region, shop.name, shop.platform, shop.status, shop.licence,
             "shop", "bench", str(no), "[]", *found)
        )  # fmt: skip
        if no == 1 or owner != subject_of(no - 1):
            own = (*found[:3], personal.seal(private, identity(owner)), *_SAME)
            subjects.append(
                (identity(owner), shop.region, shop.name, "enterprise", "active", shop.licence, shop.licence,
                 "bench", "[]", *own)
            )  # fmt: skip
        for kind, value in ((Kind.PHONE, shop.phone), (Kind.ADDRESS, shop.address)):
            sealed = personal.seal({FIELD_OF_KIND[kind]: value}, str(no))
            identifiers.append((no, int(kind), personal.key(kind, value), sealed, "bench", _NOW, _NOW))
    return subjects, presences, identifiers


def _copy(connection: psycopg.Connection[Any], table: str, columns: str, rows: Iterable[Any]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        copy.write("".join(["\t".join([_cell(cell) for cell in row]) + "\n" for row in rows]))


def _cell(value: Any) -> str:
    """A value as COPY's text form has it; the driver's own way costs four times as much."""
    if isinstance(value, str):
        return value.replace("\n", "\\n")
    if isinstance(value, list):
        return "{" + ",".join(map(str, value)) + "}"
    if isinstance(value, bytes):
        return "\\\\x" + value.hex()
    return "\\N" if value is None else str(value)


def load(url: str, count: int) -> None:
    """Fill an empty database; one that was begun is continued where it stopped. Search indexes come last."""
    personal = asyncio.run(_personal(url))
    engine = create_engine(url)
    indexes = [index for table in (Subject, Presence) for index in _search_indexes(table)]
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        done = _highest(connection)
        if done < count:
            for index in indexes:
                index.drop(engine, checkfirst=True)
            connection.execute("SET session_replication_role = replica")  # foreign keys hold by construction
            _fill(connection, personal, done, count)
    began = time.perf_counter()
    with engine.connect() as at:
        at.exec_driver_sql("SET maintenance_work_mem = '1GB'")
        for index in indexes:
            index.create(at, checkfirst=True)
        at.commit()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        if done < count:
            tell(f"search indexes built in {time.perf_counter() - began:.0f} s")
            connection.execute("VACUUM ANALYZE presences, subjects, identifiers")
    engine.dispose()


def known(url: str, count: int, some: int, seed: int = 7) -> list[Shop]:
    """So many shops of a filled database, drawn at random, contacts opened."""
    personal, nos = asyncio.run(_personal(url)), random.Random(seed).sample(range(1, count + 1), some)
    statement = (
        "SELECT id, region_code, name, platform, status, licence, personal FROM presences"
        " WHERE no = ANY(%s) ORDER BY no"
    )
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        rows = connection.execute(statement, [nos]).fetchall()
    return [Shop(*row[1:6], **personal.open(row[6], row[0])) for row in rows]


def _highest(connection: psycopg.Connection[Any]) -> int:
    found = connection.execute("SELECT coalesce(max(no), 0) FROM presences").fetchone()
    return int(found[0]) if found else 0


def _search_indexes(table: Any) -> list[Index]:
    return [index for index in table.__table__.indexes if str(index.name).endswith("_search")]


async def _personal(url: str) -> PersonalData:
    database = Database(url, "registry")
    try:
        return await personal_data(database)
    finally:
        await database.close()


def _fill(connection: psycopg.Connection[Any], personal: PersonalData, done: int, count: int) -> None:
    tables = {"subjects": _SUBJECT, "presences": _PRESENCE, "identifiers": _IDENTIFIER}
    source, first = islice(shops(count), done, None), done + 1
    while made := list(islice(source, _BATCH)):
        with connection.transaction():
            for (table, names), rows in zip(tables.items(), _rows(personal, first, made), strict=True):
                _copy(connection, table, names, rows)
        first += len(made)
        if (first - 1) // _BATCH % 20 == 0:
            tell(f"{first - 1:,} of {count:,} rows")
