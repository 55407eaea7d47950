"""Use cases of search: the rows of a list, newest first, and how its matches are spread."""

from collections import Counter, namedtuple
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from services.common.database import Transaction
from services.common.identity import Claims
from services.common.paging import encode_cursor
from services.common.personal import PersonalData, PersonalDataError
from services.common.scope import region_prefix
from services.registry.search import repository
from services.registry.search.models import Searched
from services.registry.search.plan import Tokens, Walk, or_moved, rarest
from services.registry.search.repository import Filter, Match
from services.registry.search.rules import (
    contact_elsewhere,
    contact_holds,
    contact_query,
    needle,
    query_around,
    query_elsewhere,
    query_grams,
)
from services.registry.search.schemas import Facet, Facets, SearchQuery
from services.registry.search.shapes import shape_of

FACET_CAP: Final = 2_000
# So many rows are looked through for facets, at most (about 50 ms).
_FACET_READ: Final = 20_000
# Of rows whose contacts must be opened, so many are counted.
_FACET_OPENED: Final = 1_000
_FACET_VALUES: Final = 50
_EXPORT_STEP: Final = 500
# Rows asked beyond the page where contacts decide: some of them will not hold the query.
_SPARE: Final = 5
NOTHING: Final = Filter()


@dataclass(frozen=True, slots=True)
class Found:
    """One page: its rows in order, the cursor of the next, and the number of matches when all are here.

    A row has the columns that may be shown as attributes; it is no object of the session: changing is no use.
    """

    rows: list[Any]
    next_cursor: str | None
    total: int | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """One search, ready to be walked."""

    table: Searched
    text: str
    filter: Filter
    tokens: Tokens
    columns: Sequence[str]
    few: bool


@cache
def _row_of(table: Searched) -> Any:
    return namedtuple(f"{table.__name__}Row", repository.shown(table))


async def page(
    session: Transaction,
    personal: PersonalData,
    claims: Claims,
    table: Searched,
    query: SearchQuery,
    also: Filter = NOTHING,
) -> Found:
    """One page of the rows the caller may see that meet the query, newest (highest number) first.

    also: conditions that leave few rows and have an index of their own. Raises Problem 422
    `paging.cursor_invalid`.
    """
    asked, before = _asked(personal, claims, table, query, also), query.before
    matches, _ = await _take(session, personal, asked, before, query.limit + 1)
    shown, more = matches[: query.limit], len(matches) > query.limit
    return Found(
        rows=[_row_of(table)._make(match.columns) for match in shown],
        next_cursor=encode_cursor([shown[-1].no]) if more else None,
        total=None if more or before is not None else len(shown),
    )


async def every(
    session: Transaction,
    personal: PersonalData,
    claims: Claims,
    table: Searched,
    query: SearchQuery,
    also: Filter = NOTHING,
) -> AsyncIterator[Any]:
    """All rows that meet the query, newest first, read in steps (exports, deeds on many)."""
    asked, before = _asked(personal, claims, table, query, also), query.before
    while True:
        matches, _ = await _take(session, personal, asked, before, _EXPORT_STEP)
        for match in matches:
            yield _row_of(table)._make(match.columns)
        if len(matches) < _EXPORT_STEP:
            return
        before = matches[-1].no


async def facets(
    session: Transaction,
    personal: PersonalData,
    claims: Claims,
    table: Searched,
    query: SearchQuery,
    names: Sequence[tuple[str, str]],
    also: Filter = NOTHING,
) -> Facets:
    """How the matches are spread over regions, tags and `names` (facet, column).

    Counted are the newest matches: to 2,000 (to 1,000 where contacts decide) and as far as 20,000 rows lead.
    """
    columns = ("region_code", "tags", *(column for _, column in names))
    asked = replace(_asked(personal, claims, table, query, also), columns=columns)
    cap = min(FACET_CAP, _FACET_OPENED) if asked.tokens.contacts else FACET_CAP
    matches, whole = await _take(session, personal, asked, None, cap + 1, most=_FACET_READ)
    counted = [match.columns for match in matches[:cap]]
    area = region_prefix(query.region or claims.region)
    spread = {"region": Counter(filter(None, (_child(area, row[0]) for row in counted)))}
    spread["tag"] = Counter(str(tag) for row in counted for tag in row[1])
    for at, (name, _) in enumerate(names, 2):
        spread[name] = Counter(row[at] for row in counted if row[at] is not None)
    return Facets(
        total=len(counted),
        capped=not whole or len(matches) > cap,
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
    also: Filter,
) -> _Asked:
    wanted, tokens = repository.narrowed(table, claims, query)
    wanted = wanted.joined(also)
    text = query.q if query.q and needle(query.q) else ""
    if text:
        tokens = replace(
            tokens,
            grams=tuple(query_grams(text)),
            around=tuple(query_around(text)),
            contacts=tuple(contact_query(text, personal.gram)),
            elsewhere=tuple(query_elsewhere(text, tokens.area)),
            contacts_elsewhere=tuple(contact_elsewhere(text, tokens.area, personal.gram)),
        )
    return _Asked(table, text, wanted, tokens, columns=repository.shown(table), few=bool(also.conditions))


async def _take(
    session: Transaction,
    personal: PersonalData,
    asked: _Asked,
    before: int | None,
    wanted: int,
    *,
    most: int | None = None,
) -> tuple[list[Match], bool]:
    """The first `wanted` matches below `before`, and whether all that there could be was looked through.

    most: so many rows are looked through, about (None: as many as it takes).
    """
    shape = await shape_of(session, asked.table)
    tokens = replace(
        asked.tokens,
        grams=rarest(asked.tokens.grams, shape.grams),
        contacts=rarest(asked.tokens.contacts, shape.contacts, sure=2),  # what they let through is opened
        elsewhere=or_moved(asked.tokens.elsewhere, shape.grams),
        contacts_elsewhere=or_moved(asked.tokens.contacts_elsewhere, shape.contacts),
    )
    spare = _SPARE if tokens.contacts else 0
    walk, found = Walk(tokens, shape, before, wanted, few=asked.few, most=most), list[Match]()
    if walk.needs_top:
        top = await repository.top(session, asked.table)
        walk = Walk(tokens, shape, top, wanted, few=asked.few, most=most)
    while window := walk.next():
        limit = wanted - len(found) + spare
        rows = await repository.window_rows(
            session, asked.table, window, tokens, asked.text, asked.filter, asked.columns, limit
        )
        hits = [row for row in rows if row.held or _opened(personal, row, asked.text)]
        found += hits
        walk.learn(len(hits), rows[-1].no if rows else None)
        if len(rows) >= limit:
            walk.resume(rows[-1].no)
            spare *= 4  # many have the grams and not the query: the same statement need not come often
        elif walk.must_pass:
            walk.passed(await repository.lowest(session, asked.table, window, tokens))
    return found[:wanted], not walk.cut


def _opened(personal: PersonalData, row: Match, text: str) -> bool:
    try:
        return row.personal is not None and contact_holds(personal.open(row.personal, row.id).values(), text)
    except PersonalDataError:
        return False
