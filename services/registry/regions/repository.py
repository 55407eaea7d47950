"""SQL of divisions. They are public facts: not scoped."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.scope import region_prefix
from services.registry.regions.models import Region
from services.registry.regions.rules import Division


async def all_regions(session: AsyncSession, under: str | None = None) -> list[Region]:
    """Divisions in code order, optionally only `under` and what lies below it."""
    statement = select(Region).order_by(Region.code)
    if under:
        statement = statement.where(Region.code.startswith(region_prefix(under), autoescape=True))
    return list((await session.scalars(statement)).all())


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
