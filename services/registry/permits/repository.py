"""SQL of permits; scoped by region here."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.scope import region_filter
from services.registry.permits.models import Permit

SHOWN = 100


async def of(
    session: AsyncSession, claims: Claims, *, subject_id: str | None = None, presence_id: str | None = None
) -> list[Permit]:
    """The newest visible permits of a subject or of a presence."""
    owner = Permit.subject_id == subject_id if subject_id else Permit.presence_id == presence_id
    statement = select(Permit).where(owner, region_filter(Permit.region_code, claims))
    return list((await session.scalars(statement.order_by(Permit.id.desc()).limit(SHOWN))).all())


async def for_change(session: AsyncSession, claims: Claims, permit_id: str) -> Permit | None:
    """The permit with this id when the caller may see it, locked."""
    statement = select(Permit).where(Permit.id == permit_id, region_filter(Permit.region_code, claims))
    return (await session.scalars(statement.with_for_update())).one_or_none()


async def add(session: AsyncSession, permit: Permit) -> None:
    """Insert a permit."""
    session.add(permit)
    await session.flush()
