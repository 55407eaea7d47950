"""Use cases of judgements: entering one, listing them, showing where they contradict each other."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.paging import Page, encode_cursor
from services.common.problems import Problem, not_found
from services.registry.findings import service as findings
from services.registry.findings.rules import Code, Raised
from services.registry.judgements import repository
from services.registry.judgements.models import Judgement
from services.registry.judgements.rules import (
    VERDICT_LABELS,
    Conflict,
    Pair,
    Verdict,
    conflicts,
    ordered,
)
from services.registry.judgements.schemas import (
    ConflictOut,
    JudgedOut,
    JudgedShop,
    JudgementIn,
    JudgementOut,
    JudgementQuery,
)
from services.registry.linking import service as linking


async def judge(session: AsyncSession, claims: Claims, given: JudgementIn) -> JudgedOut:
    """Enter a judgement; the linking follows in the same transaction, conflicts become findings.

    Raises 404 unless both shops are the caller's to see, 422 for one shop twice, 409 for withdrawing nothing
    and when somebody else judged at the same moment.
    """
    shops = await repository.visible_shops(session, claims, [given.shop_a, given.shop_b])
    if given.shop_a == given.shop_b:
        raise _itself()
    if len(shops) < 2:
        raise not_found("网店", "presence")
    pair = ordered(shops[given.shop_a].no, shops[given.shop_b].no)
    clashing = conflicts(await repository.around(session, pair))
    before = await repository.current(session, pair)
    earlier = Verdict(before.verdict) if before else Verdict.WITHDRAWN
    if given.verdict is Verdict.WITHDRAWN and earlier is Verdict.WITHDRAWN:
        raise _nothing_to_withdraw()
    judgement = _row(claims, pair, given)
    try:
        await repository.add(session, judgement)
    except IntegrityError as error:
        raise _at_the_same_moment() from error
    await record(
        session,
        claims,
        event="judgement.entered",
        object_type="judgement",
        object_id=str(judgement.id),
        before={"verdict": earlier.value},
        after={"verdict": given.verdict.value, "shops": sorted(shops)},
    )
    found = await _conflicts_follow(session, pair, clashing)
    by_no = {row.no: _shop(row) for row in shops.values()}
    judged = JudgedOut(
        judgement=_out(judgement, by_no[pair[0]], by_no[pair[1]]),
        conflicts=await _conflicts_out(session, claims, found),
    )
    await linking.changed(session, list(pair))  # last: changes wait for each other there
    return judged


async def _conflicts_follow(session: AsyncSession, pair: Pair, before: Sequence[Conflict]) -> list[Conflict]:
    """The conflicts after a judgement; new ones are raised as findings, those it ended are marked so."""
    touched = {*pair, *(no for one in before for no in one.path)}
    found = conflicts(await repository.around(session, sorted(touched)))
    await findings.raise_findings(session, [_finding(one) for one in found])
    still = {_subject_key(one) for one in found}
    ended = [key for key in map(_subject_key, before) if key not in still]
    await findings.clear(session, Code.JUDGEMENT_CONFLICT, ended)
    return found


async def list_judgements(session: AsyncSession, claims: Claims, query: JudgementQuery) -> Page[JudgementOut]:
    """Judgements of shops of the caller's region, newest first."""
    rows = await repository.page(session, claims, query)
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    items = [
        _out(
            row.Judgement,
            JudgedShop(id=row.a_id, name=row.a_name, region_code=row.a_region),
            JudgedShop(id=row.b_id, name=row.b_name, region_code=row.b_region),
        )
        for row in shown
    ]
    return Page(items=items, next_cursor=encode_cursor([shown[-1].Judgement.id]) if more else None)


async def conflicts_of(session: AsyncSession, claims: Claims, nos: Sequence[int]) -> list[ConflictOut]:
    """The conflicts among the judgements that hang together with these shops (by number)."""
    return await _conflicts_out(session, claims, conflicts(await repository.around(session, nos)))


async def _conflicts_out(
    session: AsyncSession, claims: Claims, found: Sequence[Conflict]
) -> list[ConflictOut]:
    named = sorted({no for one in found for no in one.path})
    shops = await repository.visible_by_no(session, claims, named) if named else {}
    return [ConflictOut(pair=_pair(one.pair, shops), path=_chain(one.path, shops)) for one in found]


def _chain(nos: Iterable[int], shops: Mapping[int, Any]) -> list[JudgedShop | None]:
    return [_shop(shops[no]) if no in shops else None for no in nos]


def _pair(pair: Pair, shops: Mapping[int, Any]) -> tuple[JudgedShop | None, JudgedShop | None]:
    a, b = _chain(pair, shops)
    return a, b


def _subject_key(conflict: Conflict) -> str:
    return f"{conflict.pair[0]}-{conflict.pair[1]}"


def _finding(conflict: Conflict) -> Raised:
    return Raised(
        code=Code.JUDGEMENT_CONFLICT,
        subject_key=_subject_key(conflict),
        shops=conflict.path,
        detail={"judgements": len(conflict.path)},
    )


def _row(claims: Claims, pair: Pair, given: JudgementIn) -> Judgement:
    return Judgement(
        shop_a=pair[0],
        shop_b=pair[1],
        verdict=given.verdict.value,
        reason=given.reason,
        author=claims.sub,
        author_name=claims.name,
        org_code=claims.org,
        region_code=claims.region,
        at=utc_now(),
        live=True,
    )


def _shop(row: Any) -> JudgedShop:
    return JudgedShop(id=row.id, name=row.name, region_code=row.region_code)


def _out(judgement: Judgement, shop_a: JudgedShop, shop_b: JudgedShop) -> JudgementOut:
    verdict = Verdict(judgement.verdict)
    zh, en = VERDICT_LABELS[verdict]
    return JudgementOut(
        id=str(judgement.id),
        shop_a=shop_a,
        shop_b=shop_b,
        verdict=verdict,
        zh=zh,
        en=en,
        reason=judgement.reason,
        author_name=judgement.author_name,
        org_code=judgement.org_code,
        at=judgement.at,
        live=judgement.live,
    )


def _itself() -> Problem:
    return Problem(
        "judgement.one_shop",
        422,
        zh="所选两家为同一网店",
        en="both are the same shop",
        todo_zh="请选择另一家网店",
        todo_en="choose another shop",
    )


def _nothing_to_withdraw() -> Problem:
    return Problem(
        "judgement.none",
        409,
        zh="这两家网店目前没有可撤回的判定",
        en="there is no judgement of these two shops to withdraw",
        todo_zh="请刷新页面查看最新状态",
        todo_en="reload the page to see the present state",
    )


def _at_the_same_moment() -> Problem:
    return Problem(
        "judgement.moment",
        409,
        zh="他人刚刚对这两家网店作出判定，本次未生效",
        en="somebody else has just judged these two shops; nothing was changed",
        todo_zh="请刷新后再判定",
        todo_en="reload, then judge",
    )
