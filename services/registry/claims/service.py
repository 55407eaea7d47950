"""Use cases of single claims: lists, one in full, one step, counts for the command centre."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.paging import Page, encode_cursor
from services.common.problems import Problem, not_found
from services.common.workflow import describe
from services.registry.claims import repository
from services.registry.claims.machine import BASES, BY_MACHINE, CLAIM, REJECTIONS
from services.registry.claims.models import ClaimStep
from services.registry.claims.rules import Held, Order, judge, possible
from services.registry.claims.schemas import (
    ClaimAction,
    ClaimChoice,
    ClaimIn,
    ClaimOut,
    ClaimPeriod,
    ClaimQuery,
    ClaimRow,
    ClaimStepOut,
    CountList,
    CountOut,
)
from services.registry.presences.rules import CHANNEL_LABELS, Channel

_GROUNDS = {choice.code: choice for choice in BASES}
_REJECTIONS = {choice.code: choice for choice in REJECTIONS}
_STEPS = {t.action: t for t in CLAIM.transitions}


async def list_claims(session: AsyncSession, claims: Claims, query: ClaimQuery) -> Page[ClaimRow]:
    """One page of the presences in the caller's area with their standing, newest first."""
    rows, total, capped = await repository.page(session, claims, query)
    shown = rows[: query.limit]
    return Page(
        items=[row_of(held, facts) for held, facts in shown],
        next_cursor=encode_cursor([shown[-1][0].id]) if len(rows) > query.limit else None,
        total=total,
        total_capped=capped,
    )


async def get_claim(session: AsyncSession, claims: Claims, presence_id: str) -> ClaimOut:
    """A presence's jurisdiction in full. Raises 404 when the caller may not see it."""
    found = await repository.visible(session, claims, presence_id)
    if found is None:
        raise not_found("网店", "presence")
    return await _full(session, claims, *found)


async def move_claim(session: AsyncSession, claims: Claims, presence_id: str, given: ClaimIn) -> ClaimOut:
    """Take one step of a presence's jurisdiction, with its history and audit row.

    Raises 404 when not visible, 409 `workflow.stale` when somebody was faster (with the steps possible now),
    and what `claims.rules.judge` raises. A row lock makes of two steps at once one success and one 409.
    """
    found = await repository.visible(session, claims, presence_id, lock=True)
    if found is None:
        raise not_found("网店", "presence")
    held, _ = found
    if given.version != held.version:
        raise stale(claims, held)
    if given.action in BY_MACHINE:
        raise _by_machine(given.action)
    authorities = await repository.authorities(session)
    order = Order(**given.model_dump(exclude={"version"}))
    step = judge(claims, held, order, authorities)
    await repository.move(session, claims, [(held, step)], utc_now())
    await record(
        session,
        claims,
        event=f"claim.{step.action}",
        object_type="presence",
        object_id=presence_id,
        before={"state": held.state, "authority": held.authority, "offered": held.offered},
        after={
            "state": step.state,
            "authority": step.authority,
            "offered": step.offered,
            "version": step.version,
            "reason_code": step.reason_code,
        },
    )
    seen = await repository.visible(session, claims, presence_id)
    if seen is not None:
        return await _full(session, claims, *seen)
    # It has left the caller's area with this very step: he is told the outcome, and sees it no more.
    return await _full(session, claims, _after(held, step), found[1])


def _after(held: Held, step: Any) -> Held:
    return Held(
        no=held.no,
        id=held.id,
        state=step.state,
        version=step.version,
        status=held.status,
        channel=held.channel,
        region=step.region,
        authority=step.authority,
        offered=step.offered,
        assigner=step.assigner,
        match=step.match,
        confidence=step.confidence,
    )


async def counts(session: AsyncSession, claims: Claims) -> CountList:
    """How many presences of the caller's area stand in each state, by region."""
    rows = await repository.counts(session, claims)
    return CountList(
        items=[CountOut(region_code=region, state=state, count=count) for region, state, count in rows],
        states=[ClaimChoice(code=s.code, zh=s.zh, en=s.en) for s in CLAIM.states],
    )


def stale(claims: Claims, held: Held) -> Problem:
    """409 for a step on a version that is no longer the newest, with the steps possible now."""
    state = CLAIM.state(held.state)
    return Problem(
        "workflow.stale",
        409,
        zh=f"该网店的属地已被他人更新，当前为“{state.zh}”",
        en=f"someone else changed its jurisdiction: it is {state.en.lower()} now",
        todo_zh="请刷新后重试",
        todo_en="reload and try again",
        extra={
            "state": held.state,
            "version": held.version,
            "allowed": describe(possible(claims, held)),
        },
    )


def _by_machine(action: str) -> Problem:
    return Problem(
        "claim.by_machine",
        422,
        zh="该操作由自动匹配执行",
        en="this step is taken by the automatic matching",
        todo_zh="请使用“自动匹配”",
        todo_en="run the matching",
        extra={"action": action},
    )


def row_of(held: Held, facts: Mapping[str, Any]) -> ClaimRow:
    """A presence as a row of a list."""
    return ClaimRow.model_validate(_common(held, facts))


def _common(held: Held, facts: Mapping[str, Any]) -> dict[str, Any]:
    state = CLAIM.state(held.state)
    channel_zh, channel_en = CHANNEL_LABELS[Channel(held.channel)]
    return {
        "id": held.id,
        "name": facts["name"],
        "channel": held.channel,
        "channel_zh": channel_zh,
        "channel_en": channel_en,
        "platform": facts["platform"],
        "state": held.state,
        "state_zh": state.zh,
        "state_en": state.en,
        "version": held.version,
        "status": held.status,
        "region_code": held.region,
        "authority_code": held.authority,
        "offered_code": held.offered,
        "match_code": held.match,
        "match_confidence": held.confidence,
        "claim_at": facts["claim_at"],
    }


async def _full(session: AsyncSession, claims: Claims, held: Held, facts: Mapping[str, Any]) -> ClaimOut:
    steps = await repository.history(session, held.no)
    return ClaimOut.model_validate(
        {
            **_common(held, facts),
            "url": facts["url"],
            "licence": facts["licence"],
            "subject_id": facts["subject_id"],
            "created_at": facts["created_at"],
            "actions": [ClaimAction.model_validate(a) for a in describe(possible(claims, held))],
            "history": [_step(step) for step in steps],
            "periods": _periods(held, facts, steps),
        }
    )


def _step(step: ClaimStep) -> ClaimStepOut:
    done = _STEPS[step.action]
    ground = _GROUNDS.get(step.basis or "")
    why = _REJECTIONS.get(step.reason_code or "")
    return ClaimStepOut(
        seq=step.seq,
        version=step.version,
        action=step.action,
        zh=done.zh,
        en=done.en,
        from_state=step.from_state,
        from_zh=CLAIM.state(step.from_state).zh,
        to_state=step.to_state,
        to_zh=CLAIM.state(step.to_state).zh,
        authority_before=step.authority_before,
        authority_code=step.authority_code,
        offered_code=step.offered_code,
        article=done.article if done.verified else f"{done.article}（待核）",
        basis=step.basis,
        basis_zh=ground.zh if ground else None,
        basis_en=ground.en if ground else None,
        reason_code=step.reason_code,
        reason_zh=why.zh if why else None,
        reason_en=why.en if why else None,
        reason=step.reason,
        confidence=step.confidence,
        job_id=step.job_id,
        actor=step.actor_name,
        org_code=step.org_code,
        org_name=step.org_name,
        at=step.at,
    )


def _periods(held: Held, facts: Mapping[str, Any], steps: Sequence[ClaimStep]) -> list[ClaimPeriod]:
    """Who answered from when to when: the periods follow each other without gap, the last has no end."""
    first = steps[0].authority_before if steps else held.authority
    turns: list[tuple[str, Any, str | None, str]] = [(first, facts["created_at"], None, first)]
    for step in steps:
        if step.authority_code != turns[-1][0]:
            turns.append((step.authority_code, step.at, step.basis, step.org_code))
    ends = [later[1] for _, later in pairwise(turns)] + [None]
    return [
        ClaimPeriod(authority_code=code, since=since, until=until, basis=basis, assigned_by=by)
        for (code, since, basis, by), until in zip(turns, ends, strict=True)
    ]
