"""Use cases of findings: raising them from anywhere in the registry, listing, marking them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.paging import Page, encode_cursor
from services.common.problems import not_found
from services.registry.findings import repository
from services.registry.findings.models import Finding, FindingState
from services.registry.findings.rules import SHOPS_NAMED, STATE_LABELS, Raised, State, label, places
from services.registry.findings.schemas import FindingQuery, FindingStateIn, FoundOut, FoundShop
from services.registry.identifiers.kinds import KIND_LABELS, Kind
from services.registry.identifiers.naming import value_id

_REGIONS_AT_ONCE = 1_000


async def raise_findings(session: AsyncSession, found: Sequence[Raised]) -> int:
    """Raise findings in the transaction of what was noticed; gives how many are new or new again."""
    raised, at = 0, utc_now()
    for one in found:
        values = {
            "code": one.code,
            "subject_key": one.subject_key,
            "kind": one.kind,
            "key": one.key,
            "shops": list(one.shops)[:SHOPS_NAMED],
            "detail": dict(one.detail),
            "at": at,
        }
        raised += await repository.upsert(
            session, values, places([*one.regions, *await _regions(session, one)])
        )
    return raised


async def clear(session: AsyncSession, code: str, subject_keys: Sequence[str]) -> None:
    """What these findings said is no longer so; they stay on record and say since when."""
    if subject_keys:
        await repository.clear(session, code, subject_keys, utc_now())


async def _regions(session: AsyncSession, one: Raised) -> list[str]:
    if one.kind is not None and one.key is not None:
        return await repository.value_regions(session, one.kind, one.key)
    known = await repository.shop_regions(session, list(one.shops)[:_REGIONS_AT_ONCE])
    return list(known.values())


async def list_findings(session: AsyncSession, claims: Claims, query: FindingQuery) -> Page[FoundOut]:
    """Findings that concern the caller's region, newest first."""
    rows = await repository.page(session, claims, query)
    shown = rows[: query.limit]
    nos = sorted({no for row in shown for no in row.Finding.shops})
    shops = await repository.shops(session, claims, nos) if nos else {}
    more = len(rows) > query.limit
    return Page(
        items=[_out(row.Finding, row.FindingState, shops) for row in shown],
        next_cursor=encode_cursor([shown[-1].Finding.id]) if more else None,
    )


async def set_state(
    session: AsyncSession, claims: Claims, finding_id: int, given: FindingStateIn
) -> FoundOut:
    """Mark a finding for the caller's authority. Raises 404 when it does not concern the caller."""
    row = await repository.visible(session, claims, finding_id)
    if row is None:
        raise not_found("发现", "finding")
    before = row.FindingState.state if row.FindingState else State.NEW.value
    values = {
        "finding_id": finding_id,
        "org_code": claims.org,
        "state": given.state.value,
        "note": given.note or "",
        "author": claims.sub,
        "author_name": claims.name,
        "at": utc_now(),
    }
    await repository.set_state(session, values)
    await record(
        session,
        claims,
        event="finding.state_set",
        object_type="finding",
        object_id=str(finding_id),
        before={"state": before},
        after={"state": given.state.value},
    )
    shops = await repository.shops(session, claims, row.Finding.shops)
    return _out(row.Finding, FindingState(**values), shops)


def _out(finding: Finding, state: FindingState | None, shops: Mapping[int, Any]) -> FoundOut:
    now = State(state.state) if state else State.NEW
    named = [shops[no] for no in finding.shops if no in shops]
    kind_zh, kind_en = KIND_LABELS[Kind(finding.kind)] if finding.kind is not None else (None, None)
    zh, en = label(finding.code)
    about_value = finding.kind is not None and finding.key is not None
    return FoundOut(
        id=str(finding.id),
        code=finding.code,
        zh=zh,
        en=en,
        kind=finding.kind,
        kind_zh=kind_zh,
        kind_en=kind_en,
        value_id=value_id(finding.kind or 0, finding.key or 0) if about_value else None,
        detail=finding.detail,
        shops=[FoundShop(id=one.id, name=one.name, region_code=one.region_code) for one in named],
        shops_elsewhere=len(finding.shops) - len(named),
        raised_at=finding.raised_at,
        times=finding.times,
        cleared_at=finding.cleared_at,
        state=now,
        state_zh=STATE_LABELS[now][0],
        state_en=STATE_LABELS[now][1],
        note=state.note if state else "",
        author_name=state.author_name if state else None,
        at=state.at if state else None,
    )
