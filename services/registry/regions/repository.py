"""SQL of divisions. They are public facts: not scoped."""

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.scope import region_prefix
from services.registry.regions.models import Region, RegionAlias
from services.registry.regions.rules import Alias, Division


async def all_regions(session: AsyncSession, under: str | None = None) -> list[Region]:
    """Divisions in code order, optionally only `under` and what lies below it."""
    statement = select(Region).order_by(Region.code)
    if under:
        statement = statement.where(Region.code.startswith(region_prefix(under), autoescape=True))
    return list((await session.scalars(statement)).all())


async def aliases(session: AsyncSession, code: str | None = None) -> list[tuple[RegionAlias, str]]:
    """Retired codes and names with the names of their successors, in code order; those of `code` if given."""
    statement = (
        select(RegionAlias, Region.name)
        .join(Region, Region.code == RegionAlias.successor)
        .order_by(RegionAlias.code, RegionAlias.id)
    )
    if code:
        statement = statement.where(RegionAlias.code == code)
    return [(row[0], row[1]) for row in await session.execute(statement)]


async def by_code(session: AsyncSession, code: str) -> Region | None:
    """The division with this code, today."""
    return await session.get(Region, code)


async def add_aliases(session: AsyncSession, rows: Iterable[Alias]) -> None:
    """Insert retired codes and names; those already there keep what was edited."""
    statement = insert(RegionAlias).on_conflict_do_nothing(index_elements=["code", "name"])
    await session.execute(statement, [asdict(row) for row in rows])


async def upsert(session: AsyncSession, divisions: Iterable[Division]) -> None:
    """Insert divisions, parents first; names and parents of known codes follow the file."""
    statement = insert(Region)
    statement = statement.on_conflict_do_update(
        index_elements=[Region.code],
        set_={"name": statement.excluded.name, "parent_code": statement.excluded.parent_code},
    )
    rows = [
        {"code": d.code, "name": d.name, "level": d.level.value, "parent_code": d.parent_code}
        for d in divisions
    ]
    await session.execute(statement, rows)
