"""SQL of presences; every read is scoped by region here."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.scope import region_filter
from services.registry.presences.models import Presence


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
