"""SQL of changes. They carry no region: whoever asks has found the object itself visible first."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.changes.models import Change


async def add(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Insert changes."""
    if rows:
        await session.execute(insert(Change), rows)


async def of_object(
    session: AsyncSession, object_type: str, object_id: str, before: int | None, limit: int
) -> list[Change]:
    """One row more than the page of an object's changes, newest first; before: number of the last one."""
    statement = select(Change).where(Change.object_type == object_type, Change.object_id == object_id)
    if before is not None:
        statement = statement.where(Change.id < before)
    return list((await session.scalars(statement.order_by(Change.id.desc()).limit(limit + 1))).all())


async def newest(session: AsyncSession, object_type: str, object_id: str) -> list[Change]:
    """The newest change of each field of an object: where its present value comes from."""
    statement = (
        select(Change)
        .ext(distinct_on(Change.field))
        .where(Change.object_type == object_type, Change.object_id == object_id)
        .order_by(Change.field, Change.id.desc())
    )
    return list((await session.scalars(statement)).all())
