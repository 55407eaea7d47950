"""Use cases of search: the rows of a list, newest first, and how its matches are spread."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.paging import encode_cursor
from services.common.personal import PersonalData, PersonalDataError
from services.common.scope import region_prefix
from services.registry.search import repository
from services.registry.search.models import Searched
from services.registry.search.plan import Tokens, Walk, rarest
from services.registry.search.rules import contact_holds, contact_query, needle, query_grams
from services.registry.search.schemas import Facet, Facets, SearchQuery
from services.registry.search.shapes import shape_of

FACET_CAP: Final = 5_000
_FACET_VALUES: Final = 50
_EXPORT_STEP: Final = 500
# Rows asked beyond the page where contacts decide: some of them will not hold the query.
_SPARE: Final = 20

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Found(Generic[R]):
    """One page: its rows in order, the cursor of the next, and the number of matches when all are here."""

    rows: list[R]
    next_cursor: str | None
    total: int | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """One search, ready to be walked."""

    table: Searched
    text: str
    conditions: Sequence[ColumnElement[bool]]
    tokens: Tokens
    columns: Sequence[Any]
    few: bool


async def page(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    table: type[R],
    query: SearchQuery,
    *also: ColumnElement[bool],
) -> Found[R]:
    """One page of the rows the caller may see that meet the query, newest (highest number) first.

    also: conditions that leave few rows and have an index of their own. Raises Problem 422
    `paging.cursor_invalid`.
    """
    asked, before = _asked(personal, claims, table, query, also), query.before
    rows = await _take(session, personal, asked, before, query.limit + 1)
    shown, more = rows[: query.limit], len(rows) > query.limit
    return Found(
        rows=[row[0] for row in shown],
        next_cursor=encode_cursor([shown[-1].no]) if more else None,
        total=None if more or before is not None else len(shown),
    )


async def every(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    table: type[R],
    query: SearchQuery,
    *also: ColumnElement[bool],
) -> AsyncIterator[R]:
    """All rows that meet the query, newest first, read in steps (exports, deeds on many)."""
    asked, before = _asked(personal, claims, table, query, also), query.before
    while True:
        rows = await _take(session, personal, asked, before, _EXPORT_STEP)
        for row in rows:
            yield row[0]
        if len(rows) < _EXPORT_STEP:
            return
        before = rows[-1].no
        session.expunge_all()  # what was given out is not kept: an export may be millions of rows


async def facets(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    table: Searched,
    query: SearchQuery,
    names: Sequence[tuple[str, str]],
    *also: ColumnElement[bool],
) -> Facets:
    """How the matches are spread over regions, tags and `names` (facet, column), counted to 5,000 matches."""
    columns = [table.region_code, table.tags, *(getattr(table, column) for _, column in names)]
    asked = replace(_asked(personal, claims, table, query, also), columns=columns)
    rows = await _take(session, personal, asked, None, FACET_CAP + 1)
    counted = rows[:FACET_CAP]
    area = region_prefix(query.region or claims.region)
    spread = {"region": Counter(filter(None, (_child(area, row.region_code) for row in counted)))}
    spread["tag"] = Counter(str(tag) for row in counted for tag in row.tags)
    for name, column in names:
        spread[name] = Counter(value for row in counted if (value := getattr(row, column)) is not None)
    return Facets(
        total=len(counted),
        capped=len(rows) > FACET_CAP,
        facets={name: _most(counter) for name, counter in spread.items()},
    )


def _most(counter: Counter[str]) -> list[Facet]:
    ordered = sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Facet(value=value, count=count) for value, count in ordered[:_FACET_VALUES]]


def _child(area: str, code: str) -> str | None:
    """The division directly below the area in which a row lies; None for one that lies in none."""
    width = len(area) + 2
    return code[:width].ljust(6, "0") if width <= 6 and code[len(area) : width] != "00" else None


def _asked(
    personal: PersonalData,
    claims: Claims,
    table: Searched,
    query: SearchQuery,
    also: Sequence[ColumnElement[bool]],
) -> _Asked:
    conditions, tokens = repository.narrowed(table, claims, query)
    text = query.q if query.q and needle(query.q) else ""
    if text:
        grams, contacts = query_grams(text), contact_query(text, personal.gram)
        tokens = replace(tokens, grams=tuple(grams), contacts=tuple(contacts))
    return _Asked(table, text, [*conditions, *also], tokens, columns=[table], few=bool(also))


async def _take(
    session: AsyncSession, personal: PersonalData, asked: _Asked, before: int | None, wanted: int
) -> list[Row[Any]]:
    """The first `wanted` matches below `before`."""
    shape = await shape_of(session, asked.table)
    tokens = replace(
        asked.tokens,
        grams=rarest(asked.tokens.grams, shape.grams),
        contacts=rarest(asked.tokens.contacts, shape.contacts),
    )
    walk, found = Walk(tokens, shape, before, wanted, few=asked.few), list[Row[Any]]()
    if walk.needs_top:
        top = await repository.top(session, asked.table)
        walk = Walk(tokens, shape, top, wanted, few=asked.few)
    while window := walk.next():
        limit = wanted - len(found) + (_SPARE if tokens.contacts else 0)
        rows = await repository.window_rows(
            session, asked.table, window, tokens, asked.text, asked.conditions, asked.columns, limit
        )
        hits = [row for row in rows if not tokens.contacts or row.held or _opened(personal, row, asked.text)]
        found += hits
        walk.learn(len(hits))
        if len(rows) >= limit:
            walk.resume(rows[-1].no)
    return found[:wanted]


def _opened(personal: PersonalData, row: Row[Any], text: str) -> bool:
    try:
        return row.personal is not None and contact_holds(personal.open(row.personal, row.id).values(), text)
    except PersonalDataError:
        return False
