"""SQL of subjects; every read is scoped by region here."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from services.common.identity import Claims
from services.common.scope import region_filter
from services.registry.presences.models import Presence
from services.registry.subjects.models import Subject

# A subject with more presences than this is shown with its newest ones; the list of presences has all.
SHOWN_PRESENCES = 100
# What is shown of them: the rest of a row, its grams above all, is most of the work.
_LISTED = (Presence.name, Presence.channel, Presence.platform, Presence.url)


async def visible(session: AsyncSession, claims: Claims, subject_id: str) -> Subject | None:
    """The subject with this id when the caller may see it."""
    return (
        await session.scalars(
            select(Subject).where(Subject.id == subject_id, region_filter(Subject.region_code, claims))
        )
    ).one_or_none()


async def for_change(session: AsyncSession, claims: Claims, subject_id: str) -> Subject | None:
    """The subject with this id when the caller may see it, locked until the transaction ends."""
    statement = select(Subject).where(Subject.id == subject_id, region_filter(Subject.region_code, claims))
    return (await session.scalars(statement.with_for_update())).one_or_none()


async def presences_of(session: AsyncSession, claims: Claims, subject_id: str) -> list[Presence]:
    """The newest visible presences of a subject: their id, name, channel, platform and address on the web."""
    statement = (
        select(Presence)
        .where(Presence.subject_id == subject_id, region_filter(Presence.region_code, claims))
        .order_by(Presence.id.desc())
        .limit(SHOWN_PRESENCES)
        .options(load_only(*_LISTED))
    )
    return list((await session.scalars(statement)).all())


async def same_licence(session: AsyncSession, org_code: str, licence_norm: str) -> str | None:
    """Id of the organisation's subject with this licence."""
    return (
        await session.scalars(
            select(Subject.id).where(Subject.org_code == org_code, Subject.licence_norm == licence_norm)
        )
    ).one_or_none()


async def add(session: AsyncSession, subject: Subject) -> None:
    """Insert a subject and find out at once whether the database takes it."""
    session.add(subject)
    await session.flush()
