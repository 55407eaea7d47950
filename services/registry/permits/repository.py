"""SQL of permits. They are seen with the record they belong to: whoever asks has found that one visible."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.permits.models import Permit

SHOWN = 100


async def of(
    session: AsyncSession, *, subject_id: str | None = None, presence_id: str | None = None
) -> list[Permit]:
    """The newest permits of a subject or of a presence."""
    owner = Permit.subject_id == subject_id if subject_id else Permit.presence_id == presence_id
    return list(
        (await session.scalars(select(Permit).where(owner).order_by(Permit.id.desc()).limit(SHOWN))).all()
    )


async def for_change(session: AsyncSession, permit_id: str) -> Permit | None:
    """The permit with this id, locked."""
    return (
        await session.scalars(select(Permit).where(Permit.id == permit_id).with_for_update())
    ).one_or_none()


async def add(session: AsyncSession, permit: Permit) -> None:
    """Insert a permit."""
    session.add(permit)
    await session.flush()
