"""SQL of imports: bulk upserts of one batch, and the scoped list of imports."""

import json
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.scope import region_filter
from services.common.wire import ListQuery
from services.registry.imports.models import Import
from services.registry.search.repository import capped_count, matches_plain, newest_first

_SUBJECT_COLUMNS = (
    "id text, name text, kind text, licence text, licence_kind text, licence_norm text, personal bytea,"
    " contact_grams int[], source text, warnings jsonb, search_text text, grams int[], org_code text,"
    " region_code text, created_by text, created_at timestamptz, updated_at timestamptz"
)
_PRESENCE_COLUMNS = (
    "id text, subject_id text, channel text, platform text, native_id text, name text, domain text,"
    " licence text, icp text, personal bytea, contact_grams int[], fingerprint bigint, import_id text,"
    " last_seen timestamptz, source text, source_id text,"
    " warnings jsonb, search_text text, grams int[], org_code text, region_code text, created_by text,"
    " created_at timestamptz, updated_at timestamptz"
)


def _names(columns: str) -> list[str]:
    return [part.split()[0] for part in columns.split(",")]


_SUBJECT_NAMES = ", ".join(_names(_SUBJECT_COLUMNS))
_PRESENCE_NAMES = ", ".join(_names(_PRESENCE_COLUMNS))
_FOLLOWING = [
    n
    for n in _names(_PRESENCE_COLUMNS)
    if n not in {"id", "source", "source_id", "org_code", "created_by", "created_at", "updated_at"}
]
# The statements below are put together from the fixed column lists above; no value is ever part of the text.
_ADD_SUBJECTS = text(
    f"INSERT INTO subjects ({_SUBJECT_NAMES}) SELECT {_SUBJECT_NAMES}"  # noqa: S608
    f" FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r({_SUBJECT_COLUMNS}) ORDER BY licence_norm"
    " ON CONFLICT (org_code, licence_norm) WHERE licence_norm IS NOT NULL DO NOTHING"
)
_SUBJECT_IDS = text(
    "SELECT licence_norm, id FROM subjects WHERE org_code = :org_code AND licence_norm = ANY(:licences)"
)
_KNOWN_IDS = text(
    "SELECT source_id, id FROM presences"
    " WHERE org_code = :org_code AND source = :source AND source_id = ANY(:source_ids)"
)
_UPSERT_PRESENCES = text(
    f"INSERT INTO presences ({_PRESENCE_NAMES}) SELECT {_PRESENCE_NAMES}"  # noqa: S608
    f" FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r({_PRESENCE_COLUMNS}) ORDER BY source_id"
    " ON CONFLICT (org_code, source, source_id) DO UPDATE SET "
    + ", ".join(f"{n} = excluded.{n}" for n in _FOLLOWING)
    + ", updated_at = excluded.updated_at WHERE presences.fingerprint IS DISTINCT FROM excluded.fingerprint"
    " RETURNING (xmax = 0) AS created, no, source_id"
)


async def add_subjects(session: AsyncSession, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Add the subjects whose licence is new to the organisation; gives licence → id for all given."""
    if not rows:
        return {}
    await session.execute(_ADD_SUBJECTS, {"rows": _json(rows)})
    found = await session.execute(
        _SUBJECT_IDS, {"org_code": rows[0]["org_code"], "licences": [r["licence_norm"] for r in rows]}
    )
    return {row.licence_norm: row.id for row in found}


async def known_ids(
    session: AsyncSession, org_code: str, source: str, source_ids: list[str]
) -> dict[str, str]:
    """Ids of the presences already there, by their id in the source: values are sealed about them."""
    found = await session.execute(
        _KNOWN_IDS, {"org_code": org_code, "source": source, "source_ids": source_ids}
    )
    return {row.source_id: row.id for row in found}


async def upsert_presences(
    session: AsyncSession, rows: list[dict[str, Any]]
) -> tuple[dict[str, int], dict[str, int]]:
    """Insert or update presences by (organisation, source, id); gives numbers of the created, the updated."""
    created: dict[str, int] = {}
    updated: dict[str, int] = {}
    for row in await session.execute(_UPSERT_PRESENCES, {"rows": _json(rows)}):
        (created if row.created else updated)[row.source_id] = row.no
    return created, updated


async def add(session: AsyncSession, row: Import) -> None:
    """Insert the record of an import."""
    session.add(row)
    await session.flush()


async def own(session: AsyncSession, import_id: str) -> Import:
    """The import being written by the running use case."""
    return await session.get_one(Import, import_id)


async def page(session: AsyncSession, claims: Claims, query: ListQuery) -> tuple[list[Import], int, bool]:
    """One row more than the page of visible imports, newest first, and their capped count."""
    conditions = [
        region_filter(Import.region_code, claims),
        matches_plain([Import.source, Import.filename], query.q),
    ]
    rows = await session.scalars(
        newest_first(select(Import).where(*conditions), Import.id, query.after, query.limit)
    )
    total, capped = await capped_count(session, conditions)
    return list(rows.all()), total, capped


async def visible(session: AsyncSession, claims: Claims, import_id: str) -> Import | None:
    """The import with this id when the caller may see it."""
    return (
        await session.scalars(
            select(Import).where(Import.id == import_id, region_filter(Import.region_code, claims))
        )
    ).one_or_none()


def _json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False, default=_text)


def _text(value: Any) -> str:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
