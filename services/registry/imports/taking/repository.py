"""SQL of taking rows in: what is there already, and writing a batch by COPY in one transaction.

New rows go straight into their tables; changed ones through temporary tables (unlogged, empty again at the
end of each transaction) and one statement each. Statements are put together from fixed column lists; no value
is part of their text.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, cast

from psycopg import AsyncConnection
from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.bulk import in_batches
from services.registry.imports.taking import packing
from services.registry.imports.taking.batches import Prepared
from services.registry.imports.taking.rows import PLAIN
from services.registry.imports.taking.writing import (
    CHANGE_COLUMNS,
    CHANGED_COLUMNS,
    IDENTIFIER_COLUMNS,
    PRESENCE_COLUMNS,
    SUBJECT_COLUMNS,
)

Driver = AsyncConnection[tuple[Any, ...]]
There = tuple[int, str, int | None, datetime, datetime]
"""A row that is there already: number, id, fingerprint, when last changed, when last seen in a list."""

_OLD = ("id", "no", "subject_id", "channel", "domain", "region_code", "claim_state", "personal", *PLAIN)
# Texts go as JSON: the driver takes ten times as long to make an array of them.
_FINGERPRINTS = SQL(
    "SELECT source_id, no, id, fingerprint, updated_at, last_seen FROM presences"
    " WHERE org_code = %s AND source = %s"
    " AND source_id = ANY(ARRAY(SELECT jsonb_array_elements_text(CAST(%s AS jsonb))))"
)
_OLD_ROWS = SQL("SELECT {} FROM presences WHERE id = ANY(%s)").format(SQL(", ").join(map(Identifier, _OLD)))
# A subject that was merged stands in the one it was merged into, over as many merges as there were.
_SUBJECT_IDS = SQL(
    "WITH RECURSIVE found AS (SELECT licence_norm, id, merged_into FROM subjects"
    " WHERE org_code = %s"
    " AND licence_norm = ANY(ARRAY(SELECT jsonb_array_elements_text(CAST(%s AS jsonb))))"
    " UNION SELECT f.licence_norm, s.id, s.merged_into FROM found f JOIN subjects s ON s.id = f.merged_into)"
    " SELECT licence_norm, id FROM found WHERE merged_into IS NULL"
)
_NUMBERS = SQL(
    "WITH sequence AS MATERIALIZED (SELECT CAST(pg_get_serial_sequence(%s, 'no') AS regclass) AS name)"
    " SELECT nextval(name) FROM sequence, generate_series(1, CAST(%s AS integer))"
)
_SEEN = SQL("UPDATE presences SET last_seen = %s WHERE id = ANY(%s) AND last_seen < %s")
_SEEN_IDENTIFIERS = SQL(
    "UPDATE identifiers SET last_seen = %s WHERE presence_no = ANY(%s) AND ended_at IS NULL"
    " AND last_seen < %s"
)
_FOLLOWING = tuple(name for name in CHANGED_COLUMNS if name not in {"id", "no"})
_STAGED_IDENTIFIERS = ("presence_no", "kind", "key")


def _columns(names: Iterable[str]) -> Composed:
    return SQL(", ").join(map(Identifier, names))


def _stage(name: str, table: str, names: Sequence[str]) -> Composed:
    query = "CREATE TEMP TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA"
    return SQL(query).format(Identifier(name), _columns(names), Identifier(table))


_STAGE_SUBJECTS = _stage("staged_subjects", "subjects", SUBJECT_COLUMNS)
_ADD_SUBJECTS = SQL(
    "INSERT INTO subjects ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM staged_subjects ORDER BY id"
    " ON CONFLICT DO NOTHING"
).format(names=_columns(SUBJECT_COLUMNS))
_STAGES = (
    _stage("staged_presences", "presences", CHANGED_COLUMNS),
    _stage("staged_identifiers", "identifiers", IDENTIFIER_COLUMNS),
)
_CHANGE_PRESENCES = SQL(
    "UPDATE presences p SET {sets}, last_seen = %s, updated_at = %s FROM staged_presences s WHERE p.id = s.id"
).format(sets=SQL(", ").join(SQL("{0} = s.{0}").format(Identifier(name)) for name in _FOLLOWING))
_SHOW_IDENTIFIERS = SQL(
    "INSERT INTO identifiers ({names}) SELECT DISTINCT ON ({key}) {names} FROM staged_identifiers t"
    " WHERE NOT EXISTS (SELECT FROM presences p WHERE p.no = t.presence_no AND p.status = 'merged')"
    " ORDER BY {key} ON CONFLICT ({key}) DO UPDATE"
    " SET last_seen = excluded.last_seen, source = excluded.source, ended_at = NULL"
).format(names=_columns(IDENTIFIER_COLUMNS), key=_columns(_STAGED_IDENTIFIERS))
# What a list does not know (kind 10: fingerprints of pictures, taken when the shop was looked at) stays.
_END_IDENTIFIERS = SQL(
    "UPDATE identifiers i SET ended_at = %s FROM staged_presences s WHERE i.presence_no = s.no"
    " AND i.ended_at IS NULL AND i.kind <> 10 AND NOT EXISTS (SELECT FROM staged_identifiers t"
    " WHERE t.presence_no = i.presence_no AND t.kind = i.kind AND t.key = i.key)"
)
# The log of changed identifiers serves who follows them one by one (migration 0008).
_LINKED_ANEW = SQL("SET LOCAL wangjian.linking = 'rebuild'")
# A list is asked about while its tables grow from nothing: a plan made at the start is kept to the end.
_BY_INDEX = SQL("SET LOCAL enable_seqscan = off")
TABLES: Final = ("presences", "subjects", "identifiers")
SEARCH_INDEXES: Final = ("ix_presences_search", "ix_subjects_search")
_ADD_REMARKS = text(
    "INSERT INTO import_remarks (import_id, row, severity, source_id, field, code, value, zh, en)"
    " SELECT :import_id, * FROM unnest(CAST(:rows AS integer[]), CAST(:severities AS smallint[]),"
    " CAST(:source_ids AS text[]), CAST(:fields AS text[]), CAST(:codes AS text[]), CAST(:values AS text[]),"
    " CAST(:zhs AS text[]), CAST(:ens AS text[]))"
)


async def driver_of(session: AsyncSession) -> Driver:
    """The driver's connection inside the session's transaction: COPY is not SQLAlchemy's."""
    raw = await (await session.connection()).get_raw_connection()
    return cast(Driver, raw.driver_connection)


async def by_index(session: AsyncSession) -> None:
    """In this transaction rows are looked up by index, however small the tables were when it was planned."""
    await (await driver_of(session)).execute(_BY_INDEX)


async def fingerprints(
    session: AsyncSession, org_code: str, source: str, source_ids: list[str]
) -> dict[str, There]:
    """Of the rows that are there already, by their ids in the list."""
    given = (org_code, source, json.dumps(source_ids))
    cursor = await (await driver_of(session)).execute(_FINGERPRINTS, given, binary=True)
    return {row[0]: row[1:] for row in await cursor.fetchall()}


async def old_rows(session: AsyncSession, ids: list[str]) -> dict[str, dict[str, Any]]:
    """`id → values` of rows that are to be changed; personal ones still sealed."""
    cursor = await (await driver_of(session)).execute(_OLD_ROWS, (ids,))
    return {row[0]: dict(zip(_OLD, row, strict=True)) for row in await cursor.fetchall()}


async def subject_ids(session: AsyncSession, org_code: str, licences: list[str]) -> dict[str, str]:
    """`licence → id` of the organisation's subjects; of a merged one the id of that it was merged into."""
    cursor = await (await driver_of(session)).execute(_SUBJECT_IDS, (org_code, json.dumps(licences)))
    return {row[0]: row[1] for row in await cursor.fetchall()}


async def numbers(session: AsyncSession, table: str, count: int) -> list[int]:
    """New numbers of a table's rows, taken in advance: a row's identifiers are sealed about its number."""
    cursor = await (await driver_of(session)).execute(_NUMBERS, (table, count), binary=True)
    return [row[0] for row in await cursor.fetchall()]


async def write(
    session: AsyncSession,
    stamp: datetime,
    prepared: Prepared,
    *,
    linked_anew: bool = False,
) -> None:
    """Write a batch's rows in the caller's transaction; linked_anew: all links will be made anew after it."""
    await in_batches(session, settling=True)
    driver = await driver_of(session)
    if linked_anew:
        await skip_log(session)
    # A subject somebody else made meanwhile breaks the batch: tried again, it finds that one.
    await _copy(driver, "subjects", SUBJECT_COLUMNS, prepared.subjects)
    if prepared.shared_subjects:  # in an earlier batch as well, that was not written yet: that one's stand
        await driver.execute(_STAGE_SUBJECTS)
        await _copy(driver, "staged_subjects", SUBJECT_COLUMNS, prepared.shared_subjects)
        await driver.execute(_ADD_SUBJECTS)
    await _copy(driver, "presences", PRESENCE_COLUMNS, prepared.presences)
    await _copy(driver, "identifiers", IDENTIFIER_COLUMNS, prepared.identifiers)
    if prepared.changed:
        for stage in _STAGES:
            await driver.execute(stage)
        await _copy(driver, "staged_presences", CHANGED_COLUMNS, prepared.changed)
        await _copy(driver, "staged_identifiers", IDENTIFIER_COLUMNS, prepared.changed_identifiers)
        await driver.execute(_CHANGE_PRESENCES, (stamp, stamp))
        await driver.execute(_SHOW_IDENTIFIERS)
        await driver.execute(_END_IDENTIFIERS, (stamp,))
        await _copy(driver, "changes", CHANGE_COLUMNS, prepared.changes)


async def skip_log(session: AsyncSession) -> None:
    """In this transaction changed identifiers are not logged: all links will be made anew after it."""
    await (await driver_of(session)).execute(_LINKED_ANEW)


async def refresh_statistics(session: AsyncSession) -> None:
    """Let the planner know a long list at once; autovacuum comes a minute later and looks at grams too."""
    columns = (
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attrelid = to_regclass(:name)"
        " AND attnum > 0 AND NOT attisdropped AND attname <> ALL(:left)"
    )
    for table in TABLES:
        given = {"name": table, "left": ["grams", "contact_grams", "search_text", "personal"]}
        names = (await session.execute(text(columns), given)).scalar_one()
        await session.execute(text(f"ANALYZE {table} ({names})"))


async def seen(session: AsyncSession, stamp: datetime, ids: list[str], nos: list[int]) -> None:
    """Note that unchanged rows stood in the list again."""
    driver = await driver_of(session)
    await driver.execute(_SEEN, (stamp, ids, stamp))
    await driver.execute(_SEEN_IDENTIFIERS, (stamp, nos, stamp))


async def add_remarks(session: AsyncSession, import_id: str, remarks: Sequence[tuple[Any, ...]]) -> None:
    """Keep remarks: (row, severity, source id, field, code, value, zh, en)."""
    if not remarks:
        return
    names = ("rows", "severities", "source_ids", "fields", "codes", "values", "zhs", "ens")
    columns = dict(zip(names, map(list, zip(*remarks, strict=True)), strict=True))
    await session.execute(_ADD_REMARKS, {"import_id": import_id, **columns})


async def _copy(driver: Driver, table: str, columns: Sequence[str], rows: bytes) -> None:
    if not rows:
        return
    query = SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(Identifier(table), _columns(columns))
    async with driver.cursor() as cursor, cursor.copy(query) as copy:
        await copy.write(packing.HEAD)
        await copy.write(rows)
        await copy.write(packing.TAIL)
