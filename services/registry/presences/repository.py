"""SQL of presences; every read is scoped by region here."""

from collections.abc import AsyncIterator, Callable

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.scope import region_filter
from services.registry.presences.models import Presence
from services.registry.presences.schemas import PresenceQuery
from services.registry.search.repository import capped_count, matches, newest_first

_EXPORT_BATCH = 1_000
Gram = Callable[[str], int] | None


def _conditions(claims: Claims, query: PresenceQuery, gram: Gram = None) -> list[ColumnElement[bool]]:
    conditions = [region_filter(Presence.region_code, claims), matches(Presence, query.q, gram)]
    if query.channel:
        conditions.append(Presence.channel == query.channel.value)
    if query.subject_id:
        conditions.append(Presence.subject_id == query.subject_id)
    return conditions


async def page(
    session: AsyncSession, claims: Claims, query: PresenceQuery, gram: Gram = None
) -> tuple[list[Presence], int, bool]:
    """One row more than the page of visible presences, and their capped count."""
    conditions = _conditions(claims, query, gram)
    rows = await session.scalars(
        newest_first(select(Presence).where(*conditions), Presence.id, query.after, query.limit)
    )
    total, capped = await capped_count(session, conditions)
    return list(rows.all()), total, capped


async def visible(session: AsyncSession, claims: Claims, presence_id: str) -> Presence | None:
    """The presence with this id when the caller may see it."""
    return (
        await session.scalars(
            select(Presence).where(Presence.id == presence_id, region_filter(Presence.region_code, claims))
        )
    ).one_or_none()


async def for_change(session: AsyncSession, claims: Claims, presence_id: str) -> Presence | None:
    """The presence with this id when the caller may see it, locked until the transaction ends."""
    statement = select(Presence).where(
        Presence.id == presence_id, region_filter(Presence.region_code, claims)
    )
    return (await session.scalars(statement.with_for_update())).one_or_none()


async def add(session: AsyncSession, presence: Presence) -> None:
    """Insert a presence and find out at once whether the database takes it."""
    session.add(presence)
    await session.flush()


async def export(
    session: AsyncSession, claims: Claims, query: PresenceQuery, gram: Gram = None
) -> AsyncIterator[Presence]:
    """All visible presences that match, newest first, read in batches."""
    statement = select(Presence).where(*_conditions(claims, query, gram)).order_by(Presence.id.desc())
    stream = await session.stream_scalars(statement.execution_options(yield_per=_EXPORT_BATCH))
    async for presence in stream:
        yield presence
