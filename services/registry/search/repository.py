"""SQL of search: windows of a list, the shape of a table, and what shorter lists need.

Lists are asked on the driver itself: a page is a few short statements, and building them with SQLAlchemy
took longer than running them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from services.common.database import Transaction, run
from services.common.identity import Claims
from services.common.scope import region_prefix
from services.registry.search.models import Searched
from services.registry.search.plan import Shape, Tokens, Way, Window
from services.registry.search.rules import EQUAL, inspection_periods, needle, start_of
from services.registry.search.schemas import SearchQuery

COUNT_CAP = 1_000
# Pages and rows a sample looks at, and how often a token must be in it to count as frequent.
_SAMPLE_PAGES, _SEEN = 1_500, 4
# What a row is found by is not what is shown of it.
_HIDDEN = frozenset({"search_text", "grams", "contact_grams", "facets"})

_ARRAYS = ("grams", "around", "contacts", "elsewhere", "contacts_elsewhere")
_HIGHEST = 2**63 - 1
_HOLDS = "strpos(search_text, %(needle)s) > 0"
# Always true, and only the leader may ask it: starting parallel workers takes longer than a page.
_ALONE = "pg_backend_pid() > 0"

# The planner takes a few score of tokens for most of the table, and looking for them in each row for cheap.
_BY_INDEX = "SELECT set_config('enable_seqscan', 'off', true)"

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on a row, as SQL with `%(name)s` parameters, and the parameters' values."""

    conditions: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def joined(self, other: "Filter") -> "Filter":
        """Both."""
        return Filter((*self.conditions, *other.conditions), {**self.values, **other.values})


class Match(NamedTuple):
    """One row of a window: its number, its columns in the order asked for, and what contacts need.

    held: the text holds the query; where it does not, the contacts may, and `id` and `personal` are there to
    look.
    """

    no: int
    held: bool
    id: str
    personal: bytes | None
    columns: tuple[Any, ...]


@cache
def shown(table: Searched) -> tuple[str, ...]:
    """The columns of a row that may be shown."""
    return tuple(column.name for column in table.__table__.columns if column.name not in _HIDDEN)


def narrowed(table: Searched, claims: Claims, query: SearchQuery) -> tuple[Filter, Tokens]:
    """Conditions of the filters and of the caller's area, and the facts that GIN can ask for in their place.

    Merged rows are listed only when that is asked for: their values stand in the row they were merged into.
    """
    wanted, values, facets, groups = _inspected(query)
    own = region_prefix(claims.region)
    prefix = region_prefix(query.region) if query.region else own
    for name, digits in (("own", own), ("area", prefix)):
        if name == "own" and prefix.startswith(own):
            continue  # the area says it
        values[name] = digits
        wanted.append(f"starts_with(region_code || '', %({name})s)")  # by no index: see `window_rows`
    for name, column, letter in EQUAL:
        value = getattr(query, name, None)
        if value is not None:
            values[name] = str(value)
            wanted.append(f"{column} = %({name})s")
            facets.append(f"{letter}{value}")
    if query.status is None:
        wanted.append("status <> 'merged'")
    if query.tag is not None:
        values["tag"] = query.tag
        wanted.append("tags @> ARRAY[%(tag)s::integer]")
        facets.append(str(query.tag))
    if query.risk_min:
        values["risk"] = query.risk_min
        wanted.append("risk >= %(risk)s::integer")
        groups.append(tuple(f"w{tens}" for tens in range(query.risk_min // 10, 11)))
    label = getattr(query, "label", None)
    if label is not None:
        wanted.append(f"label_no IS {'NOT ' if label else ''}NULL")
        facets += ["l"] if label else []
    tokens = Tokens(area=prefix if len(prefix) > 2 else "", facets=tuple(facets), groups=tuple(groups))
    return Filter(tuple(wanted), values), tokens


def _inspected(query: SearchQuery) -> tuple[list[str], dict[str, Any], list[str], list[tuple[str, ...]]]:
    wanted: list[str] = []
    values: dict[str, Any] = {}
    facets: list[str] = []
    groups: list[tuple[str, ...]] = []
    if query.inspected == "never":
        facets.append("i-")
        wanted.append("last_inspected_at IS NULL")
    if query.inspected_since:
        values["since"] = start_of(query.inspected_since)
        wanted.append("last_inspected_at >= %(since)s")
        groups += inspection_periods(query.inspected_since)
    if query.not_inspected_since:
        values["until"] = start_of(query.not_inspected_since)
        wanted.append("(last_inspected_at IS NULL OR last_inspected_at < %(until)s)")
    return wanted, values, facets, groups


def _facts(tokens: Tokens, window: Window, values: dict[str, Any]) -> list[str]:
    """What GIN is asked of the facts, in the order of what they narrow."""
    values["facts"] = [f"r{tokens.area}"] * bool(tokens.area) + list(tokens.facets)
    wanted = ["facets @> %(facts)s::text[]"] if values["facts"] else []
    for at, group in enumerate([*tokens.groups, *([window.buckets] if window.buckets else [])]):
        values[f"group{at}"] = list(group)
        wanted.append(f"facets && %(group{at})s::text[]")
    return wanted


def _indexed(table: str, tokens: Tokens, facts: list[str], wanted: list[str], words: bool) -> str:
    """`(no, held)` by GIN: rows whose text holds the query, and rows whose contacts have its grams.

    Two statements in one: as one condition with OR the planner takes the facts out of both sides and asks the
    index for nothing else.
    """

    def arm(held: str, *more: str) -> str:
        conditions = " AND ".join([_ALONE, *more, *facts, *wanted])
        return f"SELECT no, {held} AS held FROM {table} WHERE {conditions}"  # noqa: S608

    asked = ["grams @> %(grams)s::integer[]"] if tokens.grams else []
    asked += ["grams && %(around)s::integer[]"] if tokens.around else []
    asked += ["grams && %(elsewhere)s::integer[]"] if tokens.elsewhere else []
    by_text = arm("true", *asked, *([_HOLDS] if words else []))
    if not tokens.contacts:
        return by_text
    contacts = ["contact_grams @> %(contacts)s::integer[]"]
    contacts += ["contact_grams && %(contacts_elsewhere)s::integer[]"] if tokens.contacts_elsewhere else []
    return f"{by_text} UNION ALL {arm('false', *contacts, f'NOT {_HOLDS}')}"


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _span(table: str, window: Window, tokens: Tokens, fields: str) -> str:
    """Fields of the rows of a window that is read, highest number first.

    Of an area by comparing pairs: written as "= … ORDER BY no", the planner may read all numbers instead and
    hope to meet the area's soon. Cut to its rows in a statement of its own, or conditions choose the index.
    """
    if window.way is Way.AREA:
        place = "region_code" if len(tokens.area) == 6 else "left(region_code, 4)"
        pair, order = f"({place}, no)", f"{place} DESC, no DESC"
        span = f"{pair} >= (%(place)s, 0) AND {pair} < (%(place)s, %(before)s::bigint)"
    else:
        place, order = "''", "no DESC"
        span = "no >= %(low)s::bigint AND no < %(before)s::bigint"
    return (
        f"SELECT {fields}, {place} AS place FROM {table} WHERE {span} ORDER BY {order} LIMIT %(rows)s::bigint"  # noqa: S608
    )


def _read(table: str, tokens: Tokens, window: Window, wanted: list[str], words: bool, fields: str) -> str:
    """The fields of rows read in order, at most `limit`."""
    held = _HOLDS if words else "true"
    if words:
        in_contacts = " OR contact_grams @> %(contacts)s::integer[]" if tokens.contacts else ""
        wanted = [f"({held}{in_contacts})", *wanted]  # in this order: most rows fail here
    span = _span(table, window, tokens, "*")
    found = f"SELECT no, {held} AS held, {fields} FROM ({span}) AS t{_where(wanted)}"  # noqa: S608
    return f"{found} ORDER BY {'place DESC, ' * (window.way is Way.AREA)}no DESC LIMIT %(limit)s::bigint"


def _ends(window: Window, tokens: Tokens) -> dict[str, Any]:
    """Parameters of `_span`."""
    before = _HIGHEST if window.before is None else window.before
    return {"place": tokens.area, "before": before, "low": window.low or 0, "rows": window.rows or _HIGHEST}


async def window_rows(
    session: Transaction,
    table: Searched,
    window: Window,
    tokens: Tokens,
    query: str,
    asked: Filter,
    columns: Sequence[str],
    limit: int,
) -> list[Match]:
    """Rows of a window that meet the conditions and may hold the query, highest number first."""
    name, words, wanted = table.__tablename__, bool(needle(query)), list(asked.conditions)
    values = {**asked.values, **_ends(window, tokens), "limit": limit, "needle": needle(query)}
    values |= {name: list(getattr(tokens, name)) for name in _ARRAYS}
    private = ("id", "personal") if tokens.contacts else ("''", "NULL")
    fields = ", ".join((*private, *columns))
    if window.way is Way.INDEX:
        # `+ 0`: not by the index on numbers.
        wanted += ["no + 0 < %(before)s::bigint"] * (window.before is not None)
        wanted += ["no + 0 >= %(low)s::bigint"] * (window.low is not None)
        found = _indexed(name, tokens, _facts(tokens, window, values), wanted, words)
        if tokens.around:
            await run(session, _BY_INDEX, {})
        statement = (
            f"WITH found AS MATERIALIZED ({found}), newest AS (SELECT * FROM found ORDER BY no DESC"  # noqa: S608
            f" LIMIT %(limit)s::bigint) SELECT no, held, {fields} FROM newest JOIN {name} AS t USING (no)"
            " ORDER BY no DESC"
        )
    else:
        statement = _read(name, tokens, window, wanted, words, fields)
    return [Match(row[0], row[1], row[2], row[3], row[4:]) for row in await run(session, statement, values)]


async def lowest(session: Transaction, table: Searched, window: Window, tokens: Tokens) -> int | None:
    """Number of the last row of a window that was read; None when it has fewer rows than it might have."""
    span = _span(table.__tablename__, window, tokens, "no")
    ends = _ends(window, tokens)
    last = {**ends, "rows": 1, "skip": ends["rows"] - 1}
    found = await run(session, f"{span} OFFSET %(skip)s::bigint", last)
    return int(found[0][0]) if found else None


async def top(session: Transaction, table: Searched) -> int:
    """One more than the highest number."""
    ((highest,),) = await run(session, f"SELECT coalesce(max(no), 0) FROM {table.__tablename__}", {})  # noqa: S608
    return int(highest) + 1


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
