"""SQL of authorities. The directory is not secret (work is handed to others by it): not scoped."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.scope import region_prefix
from services.registry.organisations.models import Organisation
from services.registry.organisations.rules import Bureau


async def search(session: AsyncSession, q: str | None, under: str | None, limit: int) -> list[Organisation]:
    """Authorities whose name or code contains `q`, covering `under` or what lies below it, in code order."""
    statement = select(Organisation).order_by(Organisation.code).limit(limit)
    if q:
        statement = statement.where(
            Organisation.name.contains(q, autoescape=True) | Organisation.code.startswith(q, autoescape=True)
        )
    if under:
        statement = statement.where(
            Organisation.region_code.startswith(region_prefix(under), autoescape=True)
        )
    return list((await session.scalars(statement)).all())


async def add(session: AsyncSession, organisation: Organisation) -> None:
    """Insert an authority and find out at once whether code and name are free."""
    session.add(organisation)
    await session.flush()


async def by_code(session: AsyncSession, code: str) -> Organisation | None:
    """The authority with this code."""
    return await session.get(Organisation, code)


async def upsert(session: AsyncSession, bureaux: Iterable[Bureau]) -> None:
    """Insert authorities, superiors first; those already there keep what was edited."""
    rows = [
        {
            "code": b.code,
            "name": b.name,
            "level": b.level.value,
            "region_code": b.region_code,
            "parent_code": b.parent_code,
            "kind": b.kind.value,
            "verified": b.verified,
        }
        for b in bureaux
    ]
    await session.execute(insert(Organisation).on_conflict_do_nothing(), rows)
