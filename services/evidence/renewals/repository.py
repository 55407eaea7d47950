"""SQL of renewals."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, literal, null, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.evidence.items.models import EvidenceItem, Stamp
from services.evidence.renewals.models import Record
from services.evidence.renewals.rules import Due, renewed_meanwhile

# A statement takes 65,535 values at most.
_ROWS = 1000


async def due(
    session: AsyncSession, before: datetime, weak: Sequence[str], ends: Mapping[str, datetime], limit: int
) -> list[Due]:
    """Sealed items whose newest proof of time ends before `before`, or uses a weak digest; soonest first.

    ends: by authority, for stamps of an earlier version whose row does not say when their certificate ends.
    """
    pinned = [(Stamp.authority == name, literal(end)) for name, end in ends.items()]
    end = func.min(func.coalesce(Stamp.valid_until, case(*pinned)) if pinned else Stamp.valid_until)
    own = (
        select(Stamp.evidence_id, end.label("until"), null().label("algorithm"))
        .outerjoin(Record, Record.evidence_id == Stamp.evidence_id)
        .where(Record.evidence_id.is_(None))
        .group_by(Stamp.evidence_id)
        .having(or_(end < before, literal("sha256" in weak)))
    )
    kept = select(Record.evidence_id, Record.valid_until.label("until"), Record.algorithm).where(
        or_(Record.valid_until < before, Record.algorithm.in_(weak))
    )
    found = union_all(own, kept).subquery()
    query = (
        select(
            EvidenceItem.id,
            EvidenceItem.evidence_no,
            EvidenceItem.package_sha256,
            EvidenceItem.layout_sha256,
            found.c.until,
            found.c.algorithm,
        )
        .join(found, found.c.evidence_id == EvidenceItem.id)
        .where(EvidenceItem.stage == "sealed")
        .order_by(found.c.until, EvidenceItem.id)
        .limit(limit)
    )
    return [Due(*row) for row in await session.execute(query)]


async def records(session: AsyncSession, evidence_ids: Sequence[str]) -> dict[str, bytes]:
    """The evidence records of these items."""
    query = select(Record.evidence_id, Record.record).where(Record.evidence_id.in_(evidence_ids))
    return {row.evidence_id: row.record for row in await session.execute(query)}


async def find(session: AsyncSession, evidence_id: str) -> Record | None:
    """An item's record."""
    return await session.get(Record, evidence_id)


async def keep(
    session: AsyncSession, rows: Sequence[Mapping[str, Any]], replaced: Mapping[str, bytes]
) -> None:
    """Keep new records in place of those they extend.

    Raises Problem 409 when one was extended by someone else meanwhile: nothing of the transaction then holds.
    """
    fresh = [row for row in rows if row["evidence_id"] not in replaced]
    for start in range(0, len(fresh), _ROWS):
        some = fresh[start : start + _ROWS]
        query = insert(Record).values(some).on_conflict_do_nothing().returning(Record.evidence_id)
        if len((await session.execute(query)).all()) != len(some):
            raise renewed_meanwhile()
    for row in rows:
        before = replaced.get(row["evidence_id"])
        if before is None:
            continue
        change = (
            update(Record)
            .where(Record.evidence_id == row["evidence_id"], Record.record == before)
            .values(**row)
            .returning(Record.evidence_id)
        )
        if (await session.execute(change)).first() is None:
            raise renewed_meanwhile()
