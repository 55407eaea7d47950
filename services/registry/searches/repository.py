"""SQL of saved searches: one's own, and those shared in one's authority."""

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.registry.searches.models import SavedSearch


def _visible(claims: Claims) -> ColumnElement[bool]:
    shared = and_(SavedSearch.shared, SavedSearch.org_code == claims.org)
    return or_(SavedSearch.created_by == claims.sub, shared)


async def usable(session: AsyncSession, claims: Claims, target: str | None) -> list[SavedSearch]:
    """The caller's searches and those shared with him, by name."""
    statement = select(SavedSearch).where(_visible(claims)).order_by(SavedSearch.name, SavedSearch.id)
    if target:
        statement = statement.where(SavedSearch.target == target)
    return list((await session.scalars(statement)).all())


async def own(session: AsyncSession, claims: Claims, search_id: str) -> SavedSearch | None:
    """The caller's own search with this id."""
    statement = select(SavedSearch).where(SavedSearch.id == search_id, SavedSearch.created_by == claims.sub)
    return (await session.scalars(statement)).one_or_none()


async def count(session: AsyncSession, claims: Claims) -> int:
    """How many searches the caller keeps."""
    statement = select(func.count()).where(SavedSearch.created_by == claims.sub)
    return (await session.execute(statement)).scalar_one()


async def add(session: AsyncSession, search: SavedSearch) -> None:
    """Insert a search and find out at once whether the name is free."""
    session.add(search)
    await session.flush()


async def remove(session: AsyncSession, search: SavedSearch) -> None:
    """Delete a search."""
    await session.delete(search)
    await session.flush()
