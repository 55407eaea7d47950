"""Use cases of the list of presences: a page, how its matches are spread, an export."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Final

from services.common.audit import record
from services.common.clock import rfc3339
from services.common.database import Database, Transaction
from services.common.identity import Claims
from services.common.paging import Page
from services.common.personal import PersonalData
from services.common.problems import not_found
from services.registry.identifiers.naming import parse_value_id
from services.registry.imports.rules import COLUMNS, neutralise
from services.registry.personal.service import shown
from services.registry.presences.models import Presence
from services.registry.presences.schemas import PresenceQuery, PresenceRow
from services.registry.presences.service import row
from services.registry.search import service as search
from services.registry.search.repository import Filter
from services.registry.search.schemas import Facets

_FACETS: Final = (
    ("channel", "channel"),
    ("platform", "platform"),
    ("status", "status"),
    ("claim", "claim_state"),
    ("source", "source"),
)
_MORE_COLUMNS: Final = ("channel", "url", "region_code", "status", "risk", "claim_state", "last_inspected_at")
_EXPORT_BLOCK: Final = 64 * 1024


_SHOWING: Final = (
    "no IN (SELECT i.presence_no FROM identifiers AS i"
    " WHERE i.kind = %(value_kind)s AND i.key = %(value_key)s AND i.ended_at IS NULL)"
)


def narrowing(query: PresenceQuery) -> Filter:
    """What leaves few rows: those of one subject, those that show one value."""
    found = Filter()
    if query.subject_id:
        found = found.joined(Filter(("subject_id = %(subject_id)s",), {"subject_id": query.subject_id}))
    if query.value:
        kind, key = _named(query.value)
        found = found.joined(Filter((_SHOWING,), {"value_kind": kind, "value_key": key}))
    return found


def _named(value: str) -> tuple[int, int]:
    try:
        return parse_value_id(value)
    except ValueError as error:
        raise not_found("号码", "value") from error


async def list_presences(
    session: Transaction, personal: PersonalData, claims: Claims, query: PresenceQuery
) -> Page[PresenceRow]:
    """One page of the presences the caller may see, newest first, contacts masked.

    The total is told when all of it is on the page; else `presence_facets` counts.
    """
    found = await search.page(session, personal, claims, Presence, query, narrowing(query))
    items = [row(personal, presence) for presence in found.rows]
    return Page(items=items, next_cursor=found.next_cursor, total=found.total)


async def presence_facets(
    session: Transaction, personal: PersonalData, claims: Claims, query: PresenceQuery
) -> Facets:
    """How the matches of a list are spread, counted to a cap and said so."""
    return await search.facets(session, personal, claims, Presence, query, _FACETS, narrowing(query))


async def export_csv(
    database: Database, personal: PersonalData, claims: Claims, query: PresenceQuery
) -> AsyncIterator[bytes]:
    """The matches as CSV, the import's columns first, in blocks: contacts masked, formulas harmless.

    UTF-8 with BOM, because that is what the offices' spreadsheet programs open without a question. What was
    asked is in the audit record without the search text, which may be somebody's telephone number.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow([*COLUMNS, *_MORE_COLUMNS])
    asked = query.model_dump(mode="json", exclude={"q", "cursor", "limit"}, exclude_none=True)
    async with database.transaction() as session:
        await record(
            session, claims, event="presence.exported", object_type="presence", object_id="list", after=asked
        )
        async for presence in search.every(session, personal, claims, Presence, query, narrowing(query)):
            writer.writerow([neutralise(cell) for cell in _cells(personal, presence)])
            if buffer.tell() > _EXPORT_BLOCK:
                yield buffer.getvalue().encode()
                buffer.seek(0)
                buffer.truncate()
    yield buffer.getvalue().encode()


def _cells(personal: PersonalData, presence: Presence) -> list[str]:
    named = {**shown(personal, presence), "id": presence.source_id}
    first = [named[name] if name in named else getattr(presence, name) for name in COLUMNS]
    inspected = rfc3339(presence.last_inspected_at) if presence.last_inspected_at else ""
    more = [getattr(presence, name) for name in _MORE_COLUMNS[:-1]]
    return ["" if cell is None else str(cell) for cell in (*first, *more, inspected)]
