"""SQL of presences; every read is scoped by region here."""

from collections.abc import AsyncIterator

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.scope import region_filter
from services.registry.presences.models import Presence
from services.registry.presences.schemas import PresenceQuery
from services.registry.search.repository import capped_count, matches, newest_first
from services.registry.subjects.models import Subject

_EXPORT_BATCH = 1_000


def _conditions(claims: Claims, query: PresenceQuery) -> list[ColumnElement[bool]]:
    conditions = [region_filter(Presence.region_code, claims), matches(Presence, query.q)]
    if query.channel:
        conditions.append(Presence.channel == query.channel.value)
    if query.subject_id:
        conditions.append(Presence.subject_id == query.subject_id)
    return conditions


async def page(
    session: AsyncSession, claims: Claims, query: PresenceQuery
) -> tuple[list[tuple[Presence, str | None]], int, bool]:
    """One row more than the page of visible presences with their subject's kind, and their capped count."""
    conditions = _conditions(claims, query)
    found = newest_first(
        select(Presence).where(*conditions), Presence.id, query.after, query.limit
    ).subquery()
    statement = (
        select(Presence, Subject.kind)
        .join(found, found.c.id == Presence.id)
        .outerjoin(Subject, Subject.id == Presence.subject_id)
        .order_by(Presence.id.desc())
    )
    rows: list[tuple[Presence, str | None]] = [(row[0], row[1]) for row in await session.execute(statement)]
    total, capped = await capped_count(session, conditions)
    return rows, total, capped


async def visible(session: AsyncSession, claims: Claims, presence_id: str) -> Presence | None:
    """The presence with this id when the caller may see it."""
    return (
        await session.scalars(
            select(Presence).where(Presence.id == presence_id, region_filter(Presence.region_code, claims))
        )
    ).one_or_none()


async def add(session: AsyncSession, presence: Presence) -> None:
    """Insert a presence and find out at once whether the database takes it."""
    session.add(presence)
    await session.flush()


async def export(session: AsyncSession, claims: Claims, query: PresenceQuery) -> AsyncIterator[Presence]:
    """All visible presences that match, newest first, read in batches."""
    statement = select(Presence).where(*_conditions(claims, query)).order_by(Presence.id.desc())
    stream = await session.stream_scalars(statement.execution_options(yield_per=_EXPORT_BATCH))
    async for presence in stream:
        yield presence
