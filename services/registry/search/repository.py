"""SQL of search: windows of a list, the shape of a table, and what shorter lists need."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    Row,
    Select,
    Text,
    cast,
    false,
    func,
    not_,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from services.common.identity import Claims
from services.common.scope import region_filter, region_prefix
from services.registry.search.models import Searched
from services.registry.search.plan import Shape, Tokens, Way, Window
from services.registry.search.rules import EQUAL, inspection_periods, like_pattern, needle, start_of
from services.registry.search.schemas import SearchQuery

COUNT_CAP = 1_000
# Pages and rows a sample looks at, and how often a token must be in it to count as frequent.
_SAMPLE_PAGES, _SEEN = 1_500, 4

R = TypeVar("R")


def holds(table: Searched, query: str) -> ColumnElement[bool]:
    """Condition: the row's search text contains the query, folded."""
    condition: ColumnElement[bool] = table.search_text.like(like_pattern(query), escape="\\")
    return condition


def _facts(table: Searched, tokens: Tokens, window: Window) -> list[ColumnElement[bool]]:
    facts = [table.facets.contains(cast(list(tokens.facets), ARRAY(Text)))] if tokens.facets else []
    groups = [*tokens.groups, window.buckets] if window.buckets else list(tokens.groups)
    return facts + [table.facets.overlap(cast(list(group), ARRAY(Text))) for group in groups]


def _indexed(
    table: Searched, tokens: Tokens, window: Window, query: str, wanted: Sequence[ColumnElement[bool]]
) -> Select[Any] | CompoundSelect[Any]:
    """`(no, held)` by GIN: rows whose text holds the query, and rows whose contacts have its grams.

    Two statements in one: as one condition with OR the planner takes the facts out of both sides and asks the
    index for nothing else.
    """
    both = [*wanted, *_facts(table, tokens, window)]
    if not needle(query):
        return select(table.no, true().label("held")).where(*both)
    held = holds(table, query)
    by_text = select(table.no, true().label("held")).where(*both, *_contains(table.grams, tokens.grams), held)
    if not tokens.contacts:
        return by_text
    in_contacts = _contains(table.contact_grams, tokens.contacts)
    return by_text.union_all(select(table.no, false().label("held")).where(*both, *in_contacts, not_(held)))


def _contains(column: InstrumentedAttribute[list[int]], grams: Sequence[int]) -> list[ColumnElement[bool]]:
    return [column.contains(list(grams))] if grams else []


def _read(table: Searched, tokens: Tokens, query: str) -> list[ColumnElement[bool]]:
    """The same for rows read one by one."""
    if not needle(query):
        return []
    return [or_(holds(table, query), *_contains(table.contact_grams, tokens.contacts))]


def narrowed(table: Searched, claims: Claims, query: SearchQuery) -> tuple[list[ColumnElement[bool]], Tokens]:
    """Conditions of the filters and of the caller's area, and the facts that GIN can ask for in their place.

    Merged rows are listed only when that is asked for: their values stand in the row they were merged into.
    """
    wanted: list[ColumnElement[bool]] = [region_filter(table.region_code, claims)]
    facets: list[str] = []
    groups: list[tuple[str, ...]] = []
    if query.region:
        wanted.append(table.region_code.startswith(region_prefix(query.region), autoescape=True))
    prefix = region_prefix(query.region or claims.region)
    facets += [f"r{prefix}"] if len(prefix) > 2 else []
    for name, column, letter in EQUAL:
        value = getattr(query, name, None)
        if value is not None:
            wanted.append(getattr(table, column) == value)
            facets.append(f"{letter}{value}")
    if query.status is None:
        wanted.append(table.status != "merged")
    if query.tag is not None:
        wanted.append(table.tags.contains([query.tag]))
        facets.append(str(query.tag))
    if query.risk_min:
        wanted.append(table.risk >= query.risk_min)
        groups.append(tuple(f"w{tens}" for tens in range(query.risk_min // 10, 11)))
    label = getattr(query, "label", None)
    if label is not None:
        wanted.append(table.label_no.is_not(None) if label else table.label_no.is_(None))
        facets += ["l"] if label else []
    return wanted + _inspected(table, query, facets, groups), Tokens(
        facets=tuple(facets), groups=tuple(groups)
    )


def _inspected(
    table: Searched, query: SearchQuery, facets: list[str], groups: list[tuple[str, ...]]
) -> list[ColumnElement[bool]]:
    at = table.last_inspected_at
    wanted: list[ColumnElement[bool]] = []
    if query.inspected == "never":
        facets.append("i-")
        wanted.append(at.is_(None))
    if query.inspected_since:
        wanted.append(at >= start_of(query.inspected_since))
        groups += inspection_periods(query.inspected_since)
    if query.not_inspected_since:
        wanted.append(or_(at.is_(None), at < start_of(query.not_inspected_since)))
    return wanted


async def window_rows(
    session: AsyncSession,
    table: Searched,
    window: Window,
    tokens: Tokens,
    query: str,
    conditions: Sequence[ColumnElement[bool]],
    columns: Sequence[Any],
    limit: int,
) -> Sequence[Row[Any]]:
    """Rows of a window that meet the conditions and may hold the query, highest number first.

    Each row has the columns asked for (or the whole object) first, then `no` and, for a query that contacts
    may hold, `held` (the text holds it), `id` and `personal`, for the caller to open and look.
    """
    wanted = list(conditions)
    if window.before is not None:
        wanted.append(table.no < window.before)
    if window.low is not None:
        wanted.append(table.no >= window.low)
    shown: list[Any] = [*columns, table.no]
    held = holds(table, query).label("held")
    if tokens.contacts:
        shown += [table.id, table.personal]
    if window.way is Way.SCAN:
        shown += [held] if tokens.contacts else []
        wanted += _read(table, tokens, query)
        statement: Select[Any] = select(*shown).where(*wanted).order_by(table.no.desc()).limit(limit)
    else:
        # Kept apart from the order, or the planner may read the table by number and hope.
        indexed = _indexed(table, tokens, window, query, wanted)
        found = indexed.cte("found").prefix_with("MATERIALIZED", dialect="postgresql")
        newest = select(found).order_by(found.c.no.desc()).limit(limit).subquery()
        shown += [newest.c.held] if tokens.contacts else []
        statement = select(*shown).join(newest, newest.c.no == table.no).order_by(newest.c.no.desc())
    rows: Sequence[Row[Any]] = (await session.execute(statement)).all()
    return rows


async def top(session: AsyncSession, table: Searched) -> int:
    """One more than the highest number."""
    return ((await session.execute(select(func.max(table.no)))).scalar_one() or 0) + 1


async def shape(connection: AsyncConnection | AsyncSession, table: Searched) -> Shape:
    """What a sample of the table's pages tells of how frequent its tokens are (all pages of a small one)."""
    name = table.__tablename__
    pages = (
        await connection.execute(
            text("SELECT pg_relation_size(to_regclass(:name)) / current_setting('block_size')::integer"),
            {"name": name},
        )
    ).scalar_one()
    percent = min(100.0, 100.0 * _SAMPLE_PAGES / max(pages, 1))
    statement = text(
        f"WITH sampled AS MATERIALIZED (SELECT grams, contact_grams, facets FROM {name}"  # noqa: S608
        f" TABLESAMPLE SYSTEM ({percent:.6f})),"
        " tokens AS (SELECT 0 AS kind, unnest(grams)::text AS token FROM sampled"
        " UNION ALL SELECT 1, unnest(contact_grams)::text FROM sampled"
        " UNION ALL SELECT 2, unnest(facets) FROM sampled)"
        " SELECT -1, NULL, count(*) FROM sampled UNION ALL"
        " SELECT -2, NULL, coalesce(min(no), 0) FROM {name} UNION ALL"
        " SELECT -3, NULL, coalesce(max(no), 0) FROM {name} UNION ALL"
        " SELECT kind, token, count(*) FROM tokens GROUP BY 1, 2 HAVING count(*) >= :seen".replace(
            "{name}", name
        )
    )
    rows = (await connection.execute(statement, {"seen": _SEEN})).all()
    facts = {kind: count for kind, _, count in rows if kind < 0}
    sampled = max(facts[-1], 1)
    kinds: list[dict[str, float]] = [{}, {}, {}]
    for kind, token, count in rows:
        if kind >= 0:
            kinds[kind][token] = count / sampled
    grams, contacts = ({int(token): part for token, part in kinds[kind].items()} for kind in (0, 1))
    return Shape(
        rows=round(facts[-1] * 100 / percent),
        low=facts[-2],
        high=facts[-3],
        grams=grams,
        contacts=contacts,
        facets=kinds[2],
        floor=1 / sampled,
    )


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
