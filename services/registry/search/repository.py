"""SQL of substring search, keyset paging and capped counts, shared by the lists of the registry."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from services.registry.search.models import Searchable
from services.registry.search.rules import contact_query, fold, like_pattern, query_grams

COUNT_CAP = 1_000

R = TypeVar("R")


def matches(
    table: type[Searchable], query: str | None, gram: Callable[[str], int] | None = None
) -> ColumnElement[bool]:
    """Condition: the row's searchable text contains the query (folded); true for an empty query.

    gram: the keyed hash of sealed values; with it, a row whose contacts hold all its grams meets it too.
    """
    if not query or not fold(query):
        return true()
    contains = table.search_text.like(like_pattern(query), escape="\\")
    grams = query_grams(query)
    found: ColumnElement[bool] = and_(table.grams.contains(grams), contains) if grams else contains
    sealed = contact_query(query, gram) if gram else []
    return or_(found, _contacts(table).contains(sealed)) if sealed else found


def _contacts(table: type[Any]) -> InstrumentedAttribute[list[int]]:
    column: InstrumentedAttribute[list[int]] = table.contact_grams
    return column


def matches_plain(columns: Iterable[InstrumentedAttribute[Any]], query: str | None) -> ColumnElement[bool]:
    """Condition for short tables without a search text: one of the columns contains the query."""
    if not query:
        return true()
    return or_(*(column.icontains(query, autoescape=True) for column in columns))


async def capped_count(session: AsyncSession, conditions: list[ColumnElement[bool]]) -> tuple[int, bool]:
    """Number of rows meeting the conditions, counted to 1,000 at most, and whether there are more."""
    inner = select(1).where(*conditions).limit(COUNT_CAP + 1).subquery()
    count = (await session.execute(select(func.count()).select_from(inner))).scalar_one()
    return min(count, COUNT_CAP), count > COUNT_CAP


def newest_first(statement: Select[R], id_column: Any, after: str | None, limit: int) -> Select[R]:
    """The page after id `after` by descending id (ULIDs sort by time), with one row more to see the end."""
    if after is not None:
        statement = statement.where(id_column < after)
    return statement.order_by(id_column.desc()).limit(limit + 1)
