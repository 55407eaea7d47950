"""SQL of inspections: seen where the presence is seen, which may move to another region."""

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.scope import region_filter
from services.registry.inspections.models import Inspection
from services.registry.inspections.schemas import InspectionQuery
from services.registry.presences.models import Presence
from services.registry.search.repository import capped_count, matches_plain
from services.registry.subjects.models import Subject

SHOWN = 20


async def add(session: AsyncSession, inspection: Inspection, subject_id: str | None) -> None:
    """Insert an inspection, and note on the presence and its subject when they were last inspected."""
    session.add(inspection)
    await session.flush()
    await session.execute(
        update(Presence)
        .where(Presence.id == inspection.presence_id)
        .values(last_inspected_at=_later(Presence.last_inspected_at, inspection.at))
    )
    if subject_id:
        await session.execute(
            update(Subject)
            .where(Subject.id == subject_id)
            .values(last_inspected_at=_later(Subject.last_inspected_at, inspection.at))
        )


def _later(column: object, at: datetime) -> object:
    return func.greatest(column, at)


async def of_presence(session: AsyncSession, presence_id: str) -> list[Inspection]:
    """The newest inspections of a presence that the caller found visible, by when they were made."""
    statement = select(Inspection).where(Inspection.presence_id == presence_id)
    return list((await session.scalars(statement.order_by(Inspection.at.desc()).limit(SHOWN))).all())


async def page(
    session: AsyncSession, claims: Claims, query: InspectionQuery
) -> tuple[list[tuple[Inspection, str]], int, bool]:
    """One row more than the page of visible inspections with the presence's name, and their capped count."""
    conditions = [
        region_filter(Presence.region_code, claims),
        Presence.id == Inspection.presence_id,
        matches_plain([Presence.name, Inspection.note], query.q),
    ]
    if query.result:
        conditions.append(Inspection.result == query.result.value)
    statement = select(Inspection, Presence.name).where(*conditions)
    if query.after is not None:
        statement = statement.where(Inspection.id < query.after)
    rows = await session.execute(statement.order_by(Inspection.id.desc()).limit(query.limit + 1))
    total, capped = await capped_count(session, conditions)
    return [(row[0], row[1]) for row in rows], total, capped
