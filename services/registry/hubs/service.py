"""Use cases of hubs: the list, a value in full, an officer's ruling and its undoing."""

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.paging import Page, encode_cursor
from services.common.personal import PersonalData
from services.common.problems import Problem, not_found
from services.common.scope import region_covers
from services.registry.hubs import repository
from services.registry.hubs.models import HubRuling
from services.registry.hubs.rules import RULING_LABELS, Ruling, smallest_common
from services.registry.hubs.schemas import Holder, HubOut, HubQuery, HubRow, RulingIn, RulingOut, ValueChange
from services.registry.identifiers.kinds import KIND_LABELS, Kind
from services.registry.identifiers.naming import parse_value_id, value_id
from services.registry.linking import service as linking
from services.registry.linking.models import IdentifierValue, LinkChange
from services.registry.linking.rules import words
from services.registry.links.masking import masked_form


async def list_hubs(
    session: AsyncSession, personal: PersonalData, claims: Claims, query: HubQuery
) -> Page[HubRow]:
    """Hubs that shops of the caller's region hold, the largest first."""
    values = await repository.page(session, claims, query)
    shown, more = values[: query.limit], len(values) > query.limit
    names = [(value.kind, value.key) for value in shown]
    ruled = await repository.ruled(session, names) if shown else {}
    here = await repository.here(session, claims, names) if shown else {}
    items = [
        _row(personal, value, here[name], ruled.get(name))
        for value, name in zip(shown, names, strict=True)
        if name in here
    ]
    last = shown[-1] if more else None
    cursor = encode_cursor([last.holders, last.kind, last.key]) if last else None
    return Page(items=items, next_cursor=cursor)


async def get_hub(session: AsyncSession, personal: PersonalData, claims: Claims, name: str) -> HubOut:
    """A value in full. Raises 404 when no shop of the caller's region holds it."""
    kind, key = _parsed(name)
    value = await repository.value(session, kind, key)
    held = await repository.holders_here(session, claims, kind, key, repository.SHOPS_SHOWN)
    if value is None or not held:
        raise not_found("号码", "value")
    rulings = await repository.rulings_of(session, kind, key)
    live = next((one.ruling for one in rulings if one.live and one.ruling != Ruling.WITHDRAWN), None)
    here = await repository.here(session, claims, [(kind, key)])
    row = _row(personal, value, here[kind, key], live)
    common = smallest_common(await repository.regions(session, kind, key))
    shops = [_holder(personal, kind, one) for one in held]
    return HubOut(
        **row.model_dump(),
        forms=sorted({shop.masked for shop in shops}),
        shops=shops,
        rulings=[_ruling(one) for one in rulings],
        changes=[_change(one) for one in await repository.changes(session, kind, key)],
        may_rule="registry:judge" in claims.permissions and region_covers(claims.region, common),
        ruling_region=common,
    )


async def rule(
    session: AsyncSession, personal: PersonalData, claims: Claims, name: str, given: RulingIn
) -> HubOut:
    """Overrule the test, or take a ruling back; the linking follows in the same transaction.

    Only for an authority whose division holds every shop concerned: a ruling changes their links too.
    Raises 404, 403 `hub.wider` beyond the caller's region, 409 for withdrawing nothing.
    """
    kind, key = _parsed(name)
    if not await repository.holders_here(session, claims, kind, key, 1):
        raise not_found("号码", "value")
    common = smallest_common(await repository.regions(session, kind, key))
    if not region_covers(claims.region, common):
        raise _wider(common)
    before = await repository.ruled(session, [(kind, key)])
    if given.ruling is Ruling.WITHDRAWN and not before:
        raise _nothing_to_withdraw()
    ruling = HubRuling(
        kind=kind,
        key=key,
        ruling=given.ruling.value,
        reason=given.reason,
        author=claims.sub,
        author_name=claims.name,
        org_code=claims.org,
        region_code=claims.region,
        at=utc_now(),
        live=True,
    )
    try:
        await repository.add_ruling(session, ruling)
    except IntegrityError as error:
        raise _at_the_same_moment() from error
    await record(
        session,
        claims,
        event="hub.ruled",
        object_type="identifier_value",
        object_id=value_id(kind, key),
        before={"ruling": before.get((kind, key))},
        after={"ruling": given.ruling.value},
    )
    await linking.values_changed(session, [(kind, key)])
    session.expire_all()
    return await get_hub(session, personal, claims, name)


def _row(personal: PersonalData, value: IdentifierValue, here: repository.Here, ruled: str | None) -> HubRow:
    cap = repository.HERE_CAP
    zh, en = KIND_LABELS[Kind(value.kind)]
    why = words(value.reason)
    return HubRow(
        id=value_id(value.kind, value.key),
        kind=value.kind,
        kind_zh=zh,
        kind_en=en,
        masked=masked_form(personal, here.no, value.kind, here.sealed),
        holders=value.holders,
        here=min(here.shops, cap),
        here_capped=here.shops > cap,
        hub=value.hub,
        why_zh=why[0],
        why_en=why[1],
        reason=value.reason,
        decided_at=value.decided_at,
        ruled=Ruling(ruled) if ruled else None,
    )


def _masked(personal: PersonalData, kind: int, row: Any) -> str:
    return masked_form(personal, row.no, kind, bytes(row.value))


def _holder(personal: PersonalData, kind: int, row: Any) -> Holder:
    return Holder(
        id=row.id,
        name=row.name,
        platform=row.platform,
        region_code=row.region_code,
        masked=_masked(personal, kind, row),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
    )


def _ruling(row: HubRuling) -> RulingOut:
    zh, en = RULING_LABELS[Ruling(row.ruling)]
    return RulingOut(
        id=str(row.id),
        ruling=Ruling(row.ruling),
        zh=zh,
        en=en,
        reason=row.reason,
        author_name=row.author_name,
        org_code=row.org_code,
        at=row.at,
        live=row.live,
    )


def _change(row: LinkChange) -> ValueChange:
    zh, en = words(row.reason)
    return ValueChange(at=row.at, hub=row.hub, holders=row.holders, pairs=row.pairs, why_zh=zh, why_en=en)


def _parsed(name: str) -> tuple[int, int]:
    try:
        return parse_value_id(name)
    except ValueError as error:
        raise not_found("号码", "value") from error


def _wider(common: str) -> Problem:
    return Problem(
        "hub.wider",
        403,
        zh="该值涉及辖区以外的网店，应由其共同上级作出认定",
        en="shops outside your area hold this value; the authority above all of them must rule",
        todo_zh=f"请报请区划 {common} 的市场监管部门认定",
        todo_en=f"ask the authority of division {common}",
        extra={"region_code": common},
    )


def _nothing_to_withdraw() -> Problem:
    return Problem(
        "hub.no_ruling",
        409,
        zh="该值目前没有可撤回的认定",
        en="there is no ruling on this value to withdraw",
        todo_zh="请刷新页面查看最新状态",
        todo_en="reload the page to see the present state",
    )


def _at_the_same_moment() -> Problem:
    return Problem(
        "hub.moment",
        409,
        zh="他人刚刚对该值作出认定，本次未生效",
        en="somebody else has just ruled on this value; nothing was changed",
        todo_zh="请刷新后再认定",
        todo_en="reload, then rule",
    )
