"""SQL of findings. A finding is seen by the authorities whose division its shops lie in, and those above."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import run
from services.common.identity import Claims
from services.common.scope import region_filter, region_prefix
from services.registry.findings.models import Finding, FindingState
from services.registry.findings.rules import State
from services.registry.findings.schemas import FindingQuery
from services.registry.presences.models import Presence

# Raised in the transaction of a change that is to be seen in milliseconds: straight to the driver.
_RAISE = (
    "WITH raised AS (INSERT INTO findings"
    " (code, subject_key, kind, key, shops, detail, places, raised_at, times) VALUES"
    " (%(code)s, %(subject_key)s, %(kind)s, %(key)s, %(shops)s::bigint[], %(detail)s::jsonb,"
    " %(places)s::varchar[], %(at)s, 1)"
    " ON CONFLICT (code, subject_key) DO UPDATE SET shops = excluded.shops, detail = excluded.detail,"
    " places = excluded.places, raised_at = excluded.raised_at, times = findings.times + 1, cleared_at = NULL"
    " WHERE findings.detail IS DISTINCT FROM excluded.detail OR findings.cleared_at IS NOT NULL"
    " RETURNING id), forgotten AS (DELETE FROM finding_states s USING raised r WHERE s.finding_id = r.id)"
    " SELECT id FROM raised"
)
_VALUE_REGIONS = (
    "SELECT DISTINCT p.region_code FROM identifiers i JOIN presences p ON p.no = i.presence_no"
    " WHERE i.kind = %(kind)s AND i.key = %(key)s AND i.ended_at IS NULL"
)
_CLEAR = text(
    "UPDATE findings SET cleared_at = :at WHERE code = :code AND subject_key = ANY(:keys)"
    " AND cleared_at IS NULL"
)


async def shop_regions(session: AsyncSession, nos: Sequence[int]) -> dict[int, str]:
    """The division each shop belongs to, by number; for scoping a finding, not for people."""
    rows = await session.execute(select(Presence.no, Presence.region_code).where(Presence.no.in_(nos)))
    return {row.no: row.region_code for row in rows}


async def value_regions(session: AsyncSession, kind: int, key: int) -> list[str]:
    """The divisions in which a shop holds this value; for scoping a finding, not for people."""
    return [region for (region,) in await run(session, _VALUE_REGIONS, {"kind": kind, "key": key})]


async def upsert(session: AsyncSession, values: Mapping[str, Any], places: Sequence[str]) -> bool:
    """Raise a finding, or make a known one new again where it differs; False when it stands as it is."""
    row = {**values, "detail": json.dumps(values["detail"], ensure_ascii=False), "places": list(places)}
    return bool(await run(session, _RAISE, row))


async def clear(session: AsyncSession, code: str, keys: Sequence[str], at: datetime) -> None:
    """Mark findings as no longer so."""
    await session.execute(_CLEAR, {"code": code, "keys": list(keys), "at": at})


def _concerns(claims: Claims) -> ColumnElement[bool]:
    return Finding.places.contains([region_prefix(claims.region)])


async def page(session: AsyncSession, claims: Claims, query: FindingQuery) -> list[Any]:
    """Rows (finding, the caller's authority's state of it), newest first, one more than the page."""
    statement = (
        select(Finding, FindingState)
        .outerjoin(
            FindingState,
            and_(FindingState.finding_id == Finding.id, FindingState.org_code == claims.org),
        )
        .where(_concerns(claims))
        .order_by(Finding.id.desc())
        .limit(query.limit + 1)
    )
    if query.after is not None:
        statement = statement.where(Finding.id < query.after)
    if query.code:
        statement = statement.where(Finding.code == query.code)
    if query.state is not None:
        state = func.coalesce(FindingState.state, State.NEW.value)
        statement = statement.where(state == query.state.value)
    return list((await session.execute(statement)).all())


async def visible(session: AsyncSession, claims: Claims, finding_id: int) -> Any:
    """The finding with the caller's authority's state of it, when it concerns the caller; else None."""
    statement = (
        select(Finding, FindingState)
        .outerjoin(
            FindingState,
            and_(FindingState.finding_id == Finding.id, FindingState.org_code == claims.org),
        )
        .where(Finding.id == finding_id, _concerns(claims))
    )
    return (await session.execute(statement)).one_or_none()


async def set_state(session: AsyncSession, values: Mapping[str, Any]) -> None:
    """Enter or replace an authority's state of a finding."""
    statement = insert(FindingState).values(**values)
    changed = {name: statement.excluded[name] for name in ("state", "note", "author", "author_name", "at")}
    await session.execute(
        statement.on_conflict_do_update(index_elements=["finding_id", "org_code"], set_=changed)
    )


async def shops(session: AsyncSession, claims: Claims, nos: Sequence[int]) -> dict[int, Any]:
    """Id, name and region of those shops the caller may see, by number."""
    statement = select(Presence.no, Presence.id, Presence.name, Presence.region_code).where(
        Presence.no.in_(nos), region_filter(Presence.region_code, claims)
    )
    return {row.no: row for row in await session.execute(statement)}
