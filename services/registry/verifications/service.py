"""Use cases of checks: lists, one in full, results, and what was weeded out and restored."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import rfc3339, utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page, decode_cursor, encode_cursor, invalid_cursor
from services.common.problems import Problem, not_found
from services.common.workflow import allowed, decide, describe
from services.registry.claims.machine import CLAIM
from services.registry.claims.schemas import ClaimAction
from services.registry.verifications import repository, standing
from services.registry.verifications.machine import CLASSES, STATUS, VERIFICATION, WEEDINGS
from services.registry.verifications.models import StatusStep, Verification
from services.registry.verifications.rules import caller_of, outcome
from services.registry.verifications.schemas import (
    CheckCount,
    CheckCounts,
    CheckDone,
    LeftOut,
    ResultIn,
    StandingOut,
    StatusStepOut,
    VerificationIn,
    VerificationOut,
    VerificationQuery,
    VerificationRow,
    WeededRow,
    WeedingIn,
    WeedingOut,
)

_CLASSES: Final = {choice.code: choice for choice in CLASSES}
_GROUNDS: Final = {choice.code: choice for choice in WEEDINGS}
_STATUS_STEPS: Final = {t.action: t for t in STATUS.transitions}
_STATES: Final = {s.code: (s.zh, s.en) for s in STATUS.states} | {"merged": ("已合并", "Merged")}
_SAMPLE: Final = 20
_LEFT: Final = {
    "workflow.illegal_transition": ("当前状态不能执行该操作", "not possible in its standing now"),
    "request.not_found": ("找不到，或您无权查看", "not there, or not yours to see"),
}


async def list_verifications(
    session: AsyncSession, claims: Claims, query: VerificationQuery
) -> Page[VerificationRow]:
    """One page of the checks the caller may see, the earliest due first."""
    rows, total, capped = await repository.page(session, claims, query, _after(query.cursor))
    shown, now = rows[: query.limit], utc_now()
    last = shown[-1][0] if shown else None
    more = len(rows) > query.limit and last is not None
    return Page(
        items=[VerificationRow.model_validate(_common(check, facts, now)) for check, facts in shown],
        next_cursor=encode_cursor([rfc3339(last.due_at), last.id]) if more and last else None,
        total=total,
        total_capped=capped,
    )


def _after(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        moment, last = decode_cursor(cursor)
        return datetime.fromisoformat(str(moment)), str(last)
    except ValueError as error:
        raise invalid_cursor() from error


async def get_verification(session: AsyncSession, claims: Claims, verification_id: str) -> VerificationOut:
    """One check in full. Raises 404 when the caller may not see it."""
    found = await repository.visible(session, claims, verification_id)
    if found is None:
        raise not_found("复核", "check")
    return await _full(session, claims, *found)


async def order_check(session: AsyncSession, claims: Claims, given: VerificationIn) -> VerificationOut:
    """Order one check by hand, due now.

    Raises 404 for a presence the caller cannot see, 409 `verification.open` when one of the class is open.
    """
    facts = await repository.presence(session, claims, given.presence_id)
    if facts is None:
        raise not_found("网店", "presence")
    now, check_id = utc_now(), new_id()
    row = {
        "id": check_id,
        "presence_no": facts["no"],
        "check_class": given.check_class,
        "plan_id": None,
        "region_code": facts["presence_region"],
        "state": VERIFICATION.initial,
        "version": 1,
        "due_at": now,
        "created_at": now,
    }
    if not await repository.add(session, [row]):
        raise Problem(
            "verification.open",
            409,
            zh="该网店已有同类复核待办",
            en="a check of this class is open already",
            todo_zh="请办理已有的复核",
            todo_en="finish the open one",
        )
    await _noted(session, claims, "ordered", check_id, {"check_class": given.check_class})
    return await get_verification(session, claims, check_id)


async def give_result(
    session: AsyncSession, claims: Claims, verification_id: str, given: ResultIn
) -> VerificationOut:
    """Give a check its result and keep what it says of the presence.

    Raises 404, 409 `workflow.stale` or `workflow.illegal_transition`, 403, 422.
    """
    found = await repository.visible(session, claims, verification_id, lock=True)
    if found is None:
        raise not_found("复核", "check")
    check, facts = found
    caller = caller_of(claims, facts["presence_region"])
    if given.version != check.version:
        raise _stale(check, describe(allowed(VERIFICATION, check.state, caller)))
    step = decide(VERIFICATION, check.state, given.action, caller, given.model_dump(exclude={"version"}))
    now = utc_now()
    check.state, check.version, check.done_at = step.target, check.version + 1, now
    check.reason, check.evidence_id = given.reason, given.evidence_id
    check.actor, check.actor_name, check.org_code = claims.sub, claims.name, claims.org
    check.org_name = claims.org_name[:100]
    await session.flush()
    result = outcome(check.check_class, step.action, facts["presence_status"])
    if result.alive is not None:
        await repository.set_alive(session, facts["no"], result.alive, now)
    following = standing.possible(facts["presence_status"], result.action) if result.action else None
    if following:
        steps = [(facts["no"], facts["presence_status"], following)]
        await standing.change(session, claims, steps, now, verification_id=check.id)
    after = {"state": check.state, "check_class": check.check_class, "evidence_id": given.evidence_id}
    await _noted(session, claims, step.action, check.id, after)
    return await get_verification(session, claims, verification_id)


async def counts(session: AsyncSession, claims: Claims) -> CheckCounts:
    """How many checks of each class are due, overdue, and how they ended, in the caller's area."""
    states: defaultdict[str, dict[str, int]] = defaultdict(dict)
    overdue: Counter[str] = Counter()
    for check_class, state, number, late in await repository.counts(session, claims, utc_now()):
        states[check_class][state] = number
        overdue[check_class] += late
    return CheckCounts(
        items=[
            CheckCount(check_class=c.code, zh=c.zh, en=c.en, states=states[c.code], overdue=overdue[c.code])
            for c in CLASSES
        ]
    )


async def standing_of(session: AsyncSession, claims: Claims, presence_id: str) -> StandingOut:
    """A presence's checks and standing. Raises 404 when the caller may not see it."""
    facts = await repository.presence(session, claims, presence_id)
    if facts is None:
        raise not_found("网店", "presence")
    return await _standing(session, claims, facts)


async def weed(session: AsyncSession, claims: Claims, given: WeedingIn) -> WeedingOut:
    """Take presences out of the registry, or put them back, with reason and history; nothing is deleted.

    With `dry_run` nothing is changed. Open checks of what is weeded are cancelled. Done again it has nothing
    to do. Raises 403, 422 for what is wrong with the order itself.
    """
    standing.check(claims, given.action, given.reason_code, given.reason)
    rows = await repository.presences(session, claims, given.ids, lock=not given.dry_run)
    skipped: Counter[str] = Counter()
    left: defaultdict[str, list[str]] = defaultdict(list)
    unseen = len(set(given.ids)) - len(rows)
    if unseen:
        skipped["request.not_found"] = unseen
    steps, names = [], []
    for facts in rows:
        step = standing.possible(facts["presence_status"], given.action)
        if step is None:
            skipped["workflow.illegal_transition"] += 1
            left["workflow.illegal_transition"].append(facts["presence_name"])
            continue
        steps.append((facts["no"], facts["presence_status"], step))
        names.append(facts["presence_name"])
    if not given.dry_run and steps:
        await standing.change(
            session, claims, steps, utc_now(), reason=given.reason, reason_code=given.reason_code
        )
        await _weeding_noted(session, claims, given, len(steps))
    return WeedingOut(
        change=len(steps),
        sample=names[:_SAMPLE],
        skipped=[
            LeftOut(code=code, zh=_LEFT[code][0], en=_LEFT[code][1], count=n, sample=left[code][:_SAMPLE])
            for code, n in skipped.most_common()
        ],
        dry_run=given.dry_run,
    )


async def _weeding_noted(session: AsyncSession, claims: Claims, given: WeedingIn, changed: int) -> None:
    await record(
        session,
        claims,
        event=f"presence.{given.action}",
        object_type="presence",
        object_id="list" if len(given.ids) > 1 else given.ids[0],
        after={"reason_code": given.reason_code, "changed": changed, "ids": given.ids[:100]},
    )


async def list_weeded(
    session: AsyncSession, claims: Claims, cursor: str | None, limit: int
) -> Page[WeededRow]:
    """Presences that were weeded out, newest entry first."""
    after = str(decode_cursor(cursor)[0]) if cursor else None
    rows = await repository.weeded(session, claims, after, limit)
    shown = [WeededRow.model_validate({**row, **_ground(row["reason_code"])}) for row in rows[:limit]]
    return Page(items=shown, next_cursor=encode_cursor([shown[-1].id]) if len(rows) > limit else None)


def _ground(code: str | None) -> dict[str, str | None]:
    ground = _GROUNDS.get(code or "")
    return {"reason_zh": ground.zh if ground else None, "reason_en": ground.en if ground else None}


def _stale(check: Verification, possible: list[dict[str, object]]) -> Problem:
    state = VERIFICATION.state(check.state)
    return Problem(
        "workflow.stale",
        409,
        zh=f"该复核已被他人更新，当前为“{state.zh}”",
        en=f"someone else changed this check: it is {state.en.lower()} now",
        todo_zh="请刷新后重试",
        todo_en="reload and try again",
        extra={"state": check.state, "version": check.version, "allowed": possible},
    )


async def _noted(
    session: AsyncSession, claims: Claims, verb: str, check_id: str, after: dict[str, Any]
) -> None:
    await record(
        session,
        claims,
        event=f"verification.{verb}",
        object_type="verification",
        object_id=check_id,
        after=after,
    )


def _named(check: Verification) -> dict[str, str]:
    named, state = _CLASSES[check.check_class], VERIFICATION.state(check.state)
    return {"class_zh": named.zh, "class_en": named.en, "state_zh": state.zh, "state_en": state.en}


def _common(check: Verification, facts: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    plain = ("id", "check_class", "state", "version", "due_at", "done_at", "actor_name")
    shown = ("presence_id", "presence_name", "presence_status", "url", "authority_code")
    return {
        **{name: getattr(check, name) for name in plain},
        **{name: facts[name] for name in shown},
        **_named(check),
        "region_code": facts["presence_region"],
        "overdue": check.state == VERIFICATION.initial and check.due_at <= now,
    }


async def _full(
    session: AsyncSession, claims: Claims, check: Verification, facts: Mapping[str, Any]
) -> VerificationOut:
    claim, caller = CLAIM.state(facts["claim_state"]), caller_of(claims, facts["presence_region"])
    steps = describe(allowed(VERIFICATION, check.state, caller))
    return VerificationOut.model_validate(
        {
            **_common(check, facts, utc_now()),
            "reason": check.reason,
            "evidence_id": check.evidence_id,
            "claim_state": claim.code,
            "claim_zh": claim.zh,
            "claim_en": claim.en,
            "actions": [ClaimAction.model_validate(step) for step in steps],
            "standing": await _standing(session, claims, facts),
        }
    )


async def _standing(session: AsyncSession, claims: Claims, facts: Mapping[str, Any]) -> StandingOut:
    checks = await repository.checks_of(session, facts["no"])
    steps = await repository.steps_of(session, facts["no"])
    status = facts["presence_status"]
    caller = caller_of(claims, facts["presence_region"])
    possible = [t for t in allowed(STATUS, status, caller) if t.action in {"weed", "restore"}]
    zh, en = _STATES.get(status, (status, status))
    return StandingOut(
        presence_id=facts["presence_id"],
        presence_name=facts["presence_name"],
        status=status,
        status_zh=zh,
        status_en=en,
        checks=[_done(check) for check in checks],
        history=[_step(step) for step in steps],
        actions=[ClaimAction.model_validate(a) for a in describe(tuple(possible))],
    )


def _done(check: Verification) -> CheckDone:
    return CheckDone.model_validate(
        {
            "id": check.id,
            "check_class": check.check_class,
            **_named(check),
            "state": check.state,
            "reason": check.reason,
            "evidence_id": check.evidence_id,
            "actor": check.actor_name,
            "org_code": check.org_code,
            "org_name": check.org_name,
            "due_at": check.due_at,
            "at": check.done_at,
        }
    )


def _step(step: StatusStep) -> StatusStepOut:
    done = _STATUS_STEPS[step.action]
    same = ("seq", "action", "from_status", "to_status", "reason_code", "reason", "verification_id")
    more = ("org_code", "org_name", "at")
    return StatusStepOut.model_validate(
        {
            **{name: getattr(step, name) for name in (*same, *more)},
            **_ground(step.reason_code),
            "zh": done.zh,
            "en": done.en,
            "from_zh": _STATES[step.from_status][0],
            "to_zh": _STATES[step.to_status][0],
            "actor": step.actor_name,
        }
    )
