"""SQL of undoing an import: what was built on its rows, which rows are its own, and taking them away."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# First reason first; every condition is about one presence `p` that import :import_id made or changed.
_BUILT_ON = """
CASE
 WHEN EXISTS (SELECT FROM changes c WHERE c.object_type = 'presence' AND c.object_id = p.id
  AND c.import_id IS DISTINCT FROM :import_id AND c.at > :stamp AND c.field <> ALL(:not_edits)) THEN 'edited'
 WHEN p.claim_state NOT IN ('imported', 'matched', 'candidate') THEN 'claimed'
 WHEN EXISTS (SELECT FROM inspections i WHERE i.presence_id = p.id AND i.created_at > :stamp) THEN 'inspected'
 WHEN EXISTS (SELECT FROM permits m WHERE m.presence_id = p.id AND m.created_at > :stamp) THEN 'permitted'
 WHEN p.merged_into IS NOT NULL OR p.status = 'merged' THEN 'merged'
 WHEN p.label_no IS NOT NULL THEN 'marked'
 WHEN EXISTS (SELECT FROM verifications v WHERE v.presence_no = p.no) THEN 'planned'
 WHEN EXISTS (SELECT FROM judgements j WHERE p.no IN (j.shop_a, j.shop_b)) THEN 'judged'
 WHEN cardinality(p.tags) > 0 THEN 'tagged'
END"""
_OWN = "p.import_id = :import_id"
_TOUCHED = (
    "p.import_id IS DISTINCT FROM :import_id AND p.id IN (SELECT object_id FROM changes"
    " WHERE import_id = :import_id AND object_type = 'presence')"
)
_COUNT = text(
    "SELECT built, own, count(*) AS rows, (array_agg(name ORDER BY id))[1:5] AS names FROM ("  # noqa: S608
    f"SELECT p.id, p.name, true AS own, {_BUILT_ON} AS built FROM presences p WHERE {_OWN}"
    f" UNION ALL SELECT p.id, p.name, false, {_BUILT_ON} FROM presences p WHERE {_TOUCHED}"
    ") found GROUP BY built, own"
)
_NEXT_OWN = text(
    f"SELECT p.id, p.no, {_BUILT_ON} AS built FROM presences p WHERE {_OWN} AND p.id > :after"  # noqa: S608
    " ORDER BY p.id LIMIT :limit FOR UPDATE OF p"
)
_NEXT_TOUCHED = text(
    "SELECT p.id, p.no, p.personal, p.name, p.licence, p.icp, p.police_no, p.platform, p.url, p.ownership,"  # noqa: S608
    f" p.region_code, p.subject_id, p.source_id, {_BUILT_ON} AS built FROM presences p WHERE {_TOUCHED}"
    " AND p.id > :after ORDER BY p.id LIMIT :limit FOR UPDATE OF p"
)
_HISTORY = text(
    "SELECT object_id, field, old, sealed FROM changes WHERE import_id = :import_id"
    " AND object_type = 'presence' AND object_id = ANY(:ids) ORDER BY id DESC"
)
_REMOVED = text(
    "INSERT INTO changes (object_type, object_id, field, old, new, source, at, by, by_name, org_code)"
    " SELECT 'presence', p.id, 'import_undone', to_jsonb(CAST(:import_id AS text)), NULL, p.source, :at, :by,"
    " :by_name, p.org_code FROM presences p WHERE p.id = ANY(:ids)"
)
_DROP_IDENTIFIERS = text("DELETE FROM identifiers WHERE presence_no = ANY(:nos)")
_DROP_PRESENCES = text("DELETE FROM presences WHERE id = ANY(:ids)")
# What the import had shown for the first time and is gone again was never there.
_DROP_SHOWN = text(
    "DELETE FROM identifiers WHERE presence_no = ANY(:nos) AND first_seen = :stamp AND ended_at = :at"
)
_DROP_SUBJECTS = text(
    "WITH free AS (SELECT s.id FROM subjects s WHERE s.import_id = :import_id AND s.id > :after"
    " AND s.merged_into IS NULL AND cardinality(s.tags) = 0"
    " AND NOT EXISTS (SELECT FROM presences p WHERE p.subject_id = s.id)"
    " AND NOT EXISTS (SELECT FROM permits m WHERE m.subject_id = s.id)"
    " AND NOT EXISTS (SELECT FROM changes c WHERE c.object_type = 'subject' AND c.object_id = s.id)"
    " AND NOT EXISTS (SELECT FROM subjects o WHERE o.merged_into = s.id)"
    " ORDER BY s.id LIMIT :limit FOR UPDATE)"
    " DELETE FROM subjects s USING free WHERE s.id = free.id RETURNING s.id"
)
# Written by the system, not by a person: neither stands in the way of undoing.
_NOT_EDITS = ["claim_state", "match_code"]


def _about(import_id: str, stamp: datetime) -> dict[str, Any]:
    return {"import_id": import_id, "stamp": stamp, "not_edits": _NOT_EDITS}


async def survey(session: AsyncSession, import_id: str, stamp: datetime) -> list[Any]:
    """Rows of an import by what was built on them: (built, own, rows, first names)."""
    return list((await session.execute(_COUNT, _about(import_id, stamp))).all())


async def next_own(
    session: AsyncSession, import_id: str, stamp: datetime, after: str, limit: int
) -> list[Any]:
    """The next presences the import made: (id, no, built)."""
    given = {**_about(import_id, stamp), "after": after, "limit": limit}
    return list((await session.execute(_NEXT_OWN, given)).all())


async def next_touched(
    session: AsyncSession, import_id: str, stamp: datetime, after: str, limit: int
) -> list[dict[str, Any]]:
    """The next presences the import changed, with the values they have now."""
    given = {**_about(import_id, stamp), "after": after, "limit": limit}
    return [dict(row) for row in (await session.execute(_NEXT_TOUCHED, given)).mappings()]


async def history(session: AsyncSession, import_id: str, ids: list[str]) -> list[Any]:
    """What the import changed in these presences, newest first: (object_id, field, old, sealed)."""
    return list((await session.execute(_HISTORY, {"import_id": import_id, "ids": ids})).all())


async def remove(
    session: AsyncSession, import_id: str, ids: list[str], nos: list[int], at: datetime, by: str, by_name: str
) -> None:
    """Take presences away with what is known of them; that they were there stays in the history."""
    await session.execute(
        _REMOVED, {"import_id": import_id, "ids": ids, "at": at, "by": by, "by_name": by_name[:80]}
    )
    await session.execute(_DROP_IDENTIFIERS, {"nos": nos})
    await session.execute(_DROP_PRESENCES, {"ids": ids})


async def drop_shown(session: AsyncSession, nos: list[int], stamp: datetime, at: datetime) -> None:
    """Forget identifiers the import was the first to show."""
    await session.execute(_DROP_SHOWN, {"nos": nos, "stamp": stamp, "at": at})


async def remove_subjects(session: AsyncSession, import_id: str, after: str, limit: int) -> list[str]:
    """Take away subjects the import made and nothing else needs; gives their ids."""
    found = await session.execute(_DROP_SUBJECTS, {"import_id": import_id, "after": after, "limit": limit})
    return [row.id for row in found]
