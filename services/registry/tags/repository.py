"""SQL of tags: those of the caller's own subtree and those of the authorities above him."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.scope import region_filter
from services.registry.presences.models import Presence
from services.registry.subjects.models import Subject
from services.registry.tags.models import Tag

_TABLES: dict[str, type[Subject] | type[Presence]] = {"subject": Subject, "presence": Presence}


def _usable(claims: Claims) -> ColumnElement[bool]:
    above = {claims.region, f"{claims.region[:4]}00", f"{claims.region[:2]}0000"}
    return or_(Tag.region_code.in_(above), region_filter(Tag.region_code, claims))


async def usable(session: AsyncSession, claims: Claims, *, retired: bool = False) -> list[Tag]:
    """The tags the caller may see, in order of their names; retired ones only when asked for."""
    statement = select(Tag).where(_usable(claims)).order_by(Tag.name, Tag.id)
    if not retired:
        statement = statement.where(Tag.retired_at.is_(None))
    return list((await session.scalars(statement)).all())


async def by_ids(session: AsyncSession, ids: Sequence[int]) -> list[Tag]:
    """The tags with these ids, by name. Not scoped: a tag on a visible record is no secret."""
    if not ids:
        return []
    return list((await session.scalars(select(Tag).where(Tag.id.in_(ids)).order_by(Tag.name))).all())


async def visible(session: AsyncSession, claims: Claims, tag_id: int, *, lock: bool = False) -> Tag | None:
    """The tag with this id when the caller may see it."""
    statement = select(Tag).where(Tag.id == tag_id, _usable(claims))
    return (await session.scalars(statement.with_for_update() if lock else statement)).one_or_none()


async def add(session: AsyncSession, tag: Tag) -> None:
    """Insert a tag and find out at once whether the name is free."""
    session.add(tag)
    await session.flush()


async def count(
    session: AsyncSession, claims: Claims, object_type: str, ids: Sequence[str], tag_id: int
) -> tuple[int, int]:
    """How many of these records the caller may see, and how many of those have the tag."""
    table = _TABLES[object_type]
    seen = await session.execute(
        select(func.count(), func.count().filter(table.tags.contains([tag_id]))).where(
            table.id.in_(ids), region_filter(table.region_code, claims)
        )
    )
    row = seen.one()
    return row[0], row[1]


async def put(
    session: AsyncSession, claims: Claims, object_type: str, ids: Sequence[str], tag_id: int
) -> list[str]:
    """Put the tag on those of the records that the caller may see and that lack it; gives their ids."""
    table: Any = _TABLES[object_type]
    lacks = ~table.tags.contains([tag_id])
    return await _set(session, claims, table, ids, lacks, func.array_append(table.tags, tag_id))


async def take_off(
    session: AsyncSession, claims: Claims, object_type: str, ids: Sequence[str], tag_id: int
) -> list[str]:
    """Take the tag off those of the records that the caller may see and that have it; gives their ids."""
    table: Any = _TABLES[object_type]
    has = table.tags.contains([tag_id])
    return await _set(session, claims, table, ids, has, func.array_remove(table.tags, tag_id))


async def _set(
    session: AsyncSession,
    claims: Claims,
    table: Any,
    ids: Sequence[str],
    condition: ColumnElement[bool],
    tags: Any,
) -> list[str]:
    statement = (
        update(table)
        .where(table.id.in_(ids), region_filter(table.region_code, claims), condition)
        .values(tags=tags)
        .returning(table.id)
        .execution_options(synchronize_session=False)
    )
    return list((await session.scalars(statement)).all())
