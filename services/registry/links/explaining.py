"""Explaining one link: every value two shops share, and an officer's plain look at it."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.identity import Claims
from services.common.personal import PersonalData
from services.common.problems import Problem
from services.registry.identifiers.kinds import KIND_LABELS, Kind
from services.registry.identifiers.naming import value_id
from services.registry.judgements import repository as judgements
from services.registry.judgements.rules import BINDING, Verdict
from services.registry.linking.rules import RULE_VERSION, weigh
from services.registry.links import repository
from services.registry.links.masking import UNREADABLE, masked_form, raw_form
from services.registry.links.rules import (
    GONE_LABELS,
    STANDING_LABELS,
    STATUS_LABELS,
    Shared,
    gone,
    linking_values,
    shared,
    status,
)
from services.registry.links.schemas import Explanation, SharedValue, Side
from services.registry.links.service import found, pair_of, shop_out, why_of
from services.registry.personal.schemas import RevealIn


async def explain(
    session: AsyncSession, personal: PersonalData, claims: Claims, one_id: str, other_id: str
) -> Explanation:
    """Why two shops are linked, or are not; masked. Raises 404 unless both are the caller's."""
    return await _explained(session, personal, claims, one_id, other_id, plain=False)


async def reveal(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    one_id: str,
    other_id: str,
    given: RevealIn,
) -> Explanation:
    """The same with the raw forms in full; who looked, at which shops and for what, is on record."""
    explanation = await _explained(session, personal, claims, one_id, other_id, plain=True)
    await record(
        session,
        claims,
        event="link.revealed",
        object_type="presence",
        object_id=one_id,
        after={"other": other_id, "purpose": given.purpose.value, "values": len(explanation.values)},
    )
    return explanation


async def _explained(
    session: AsyncSession,
    personal: PersonalData,
    claims: Claims,
    one_id: str,
    other_id: str,
    *,
    plain: bool,
) -> Explanation:
    if one_id == other_id:
        raise _itself()
    one = await found(session, claims, one_id)
    other = await found(session, claims, other_id)
    held = await repository.values(session, [one.no, other.no])
    mine = {(row.kind, row.key): row for row in held if row.presence_no == one.no}
    theirs = {(row.kind, row.key): row for row in held if row.presence_no == other.no}
    judgement = await judgements.current(session, pair_of(one, other))
    verdict = judgement.verdict if judgement and judgement.verdict != Verdict.WITHDRAWN else None
    facts = shared(mine.values(), theirs.values())
    weight = weigh(kind for kind, _ in linking_values(facts))
    binding = verdict if verdict in BINDING else None
    stands, reasons = status(binding, weight > 0), gone(facts, binding, weight > 0)
    return Explanation(
        a=shop_out(one),
        b=shop_out(other),
        status=stands,
        zh=STATUS_LABELS[stands][0],
        en=STATUS_LABELS[stands][1],
        weight=weight,
        values=[_value(personal, fact, mine, theirs, plain=plain) for fact in facts],
        gone=reasons,
        gone_zh=[GONE_LABELS[reason][0] for reason in reasons],
        gone_en=[GONE_LABELS[reason][1] for reason in reasons],
        verdict=Verdict(verdict) if verdict else None,
        judgement_reason=judgement.reason if judgement and verdict else None,
        judged_by=judgement.author_name if judgement and verdict else None,
        judged_at=judgement.at if judgement and verdict else None,
        same_cluster=one.cluster is not None and one.cluster == other.cluster,
        rule_version=RULE_VERSION,
        revealed=plain,
    )


def _value(
    personal: PersonalData, fact: Shared, mine: dict[Any, Any], theirs: dict[Any, Any], *, plain: bool
) -> SharedValue:
    zh, en = KIND_LABELS[Kind(fact.kind)]
    row = mine[fact.kind, fact.key]
    why = why_of(row.reason)
    return SharedValue(
        kind=fact.kind,
        zh=zh,
        en=en,
        value_id=value_id(fact.kind, fact.key),
        standing=fact.standing,
        standing_zh=STANDING_LABELS[fact.standing][0],
        standing_en=STANDING_LABELS[fact.standing][1],
        others=fact.others,
        why_zh=why[0],
        why_en=why[1],
        since=fact.since,
        until=fact.until,
        ended_at=fact.ended_at,
        reason=row.reason or {},
        a=_side(personal, row, plain=plain),
        b=_side(personal, theirs[fact.kind, fact.key], plain=plain),
    )


def _side(personal: PersonalData, row: Any, *, plain: bool) -> Side:
    sealed = bytes(row.value)
    form = raw_form(personal, row.presence_no, row.kind, sealed) if plain else None
    return Side(
        form=form or (UNREADABLE if plain else masked_form(personal, row.presence_no, row.kind, sealed)),
        source=row.source,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        ended_at=row.ended_at,
    )


def _itself() -> Problem:
    return Problem(
        "link.one_shop",
        422,
        zh="所选两家为同一网店",
        en="both are the same shop",
        todo_zh="请选择另一家网店",
        todo_en="choose another shop",
    )
