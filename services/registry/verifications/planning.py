"""Use cases of verification plans: make, change, run now; the round that writes due checks down."""

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.problems import Problem, not_found
from services.common.scope import region_covers
from services.registry.verifications import repository
from services.registry.verifications.machine import CLASSES, VERIFICATION
from services.registry.verifications.models import VerificationPlan
from services.registry.verifications.rules import AHEAD, due_at
from services.registry.verifications.schemas import PlanChange, PlanIn, PlanList, PlanOut

CHUNK: Final = 2_000
ROUND_EVERY: Final = timedelta(hours=24)
_CLASSES: Final = {choice.code: choice for choice in CLASSES}


async def make_plan(session: AsyncSession, claims: Claims, given: PlanIn) -> PlanOut:
    """Make a plan for the caller's area or a part of it. Raises 403 `verification.outside` for any other."""
    region = given.region_code or claims.region
    if not region_covers(claims.region, region):
        raise Problem(
            "verification.outside",
            403,
            zh="只能为本辖区制定复核计划",
            en="plans are made for one's own area",
            todo_zh="请选择本辖区内的区划",
            todo_en="choose a division of your area",
        )
    now = utc_now()
    plan = VerificationPlan(
        id=new_id(),
        **given.model_dump(exclude={"region_code"}, mode="json"),
        region_code=region,
        org_code=claims.org,
        active=True,
        version=1,
        cursor=0,
        upto=None,
        planned=0,
        created_by=claims.sub,
        created_by_name=claims.name,
        created_at=now,
        updated_at=now,
    )
    await repository.add_plan(session, plan)
    after = given.model_dump(mode="json")
    await _noted(session, claims, "made", plan, after)
    return plan_out(plan)


async def list_plans(session: AsyncSession, claims: Claims) -> PlanList:
    """The plans of the caller's area."""
    return PlanList(items=[plan_out(plan) for plan in await repository.plans(session, claims)])


async def change_plan(session: AsyncSession, claims: Claims, plan_id: str, given: PlanChange) -> PlanOut:
    """Change how often, or stop and start a plan. Raises 404, 409 `workflow.stale`."""
    plan = await _held(session, claims, plan_id)
    if given.version != plan.version:
        raise Problem(
            "workflow.stale",
            409,
            zh="该计划已被他人更新",
            en="someone else changed this plan",
            todo_zh="请刷新后重试",
            todo_en="reload and try again",
            extra={"version": plan.version},
        )
    for name, value in given.model_dump(exclude={"version"}, exclude_none=True).items():
        setattr(plan, name, value)
    plan.version, plan.updated_at = plan.version + 1, utc_now()
    await _noted(session, claims, "changed", plan, given.model_dump(exclude_none=True))
    return plan_out(plan)


async def run_plan(session: AsyncSession, claims: Claims, plan_id: str) -> PlanOut:
    """Start a round now; one under way goes on, so that asking twice makes nothing twice. Raises 404."""
    plan = await _held(session, claims, plan_id)
    if plan.upto is None:
        await _begin(session, plan)
        await _noted(session, claims, "run", plan, {})
    return plan_out(plan)


async def _held(session: AsyncSession, claims: Claims, plan_id: str) -> VerificationPlan:
    plan = await repository.visible_plan(session, claims, plan_id, lock=True)
    if plan is None:
        raise not_found("复核计划", "plan")
    return plan


async def _begin(session: AsyncSession, plan: VerificationPlan) -> None:
    plan.cursor, plan.planned = 0, 0
    plan.upto = await repository.highest_no(session)


async def run_chunk(database: Database) -> bool:
    """Do the next chunk of a plan's round; gives whether there was one.

    Checks and the place reached are one transaction, and a presence has one open check of a class: a round
    cut short, or run twice, writes nothing twice.
    """
    async with database.transaction() as session:
        now = utc_now()
        plan = await repository.next_plan(session, now - ROUND_EVERY)
        if plan is None:
            return False
        if plan.upto is None:
            await _begin(session, plan)
        rows = await repository.planned_chunk(session, plan, CHUNK)
        due = [(row, due_at(row.last, plan.created_at, plan.every_days, row.no)) for row in rows]
        plan.planned += await repository.add(
            session,
            [
                {
                    "id": new_id(),
                    "presence_no": row.no,
                    "check_class": plan.check_class,
                    "plan_id": plan.id,
                    "region_code": row.region_code,
                    "state": VERIFICATION.initial,
                    "version": 1,
                    "due_at": when,
                    "created_at": now,
                }
                for row, when in due
                if when <= now + AHEAD
            ],
        )
        if len(rows) == CHUNK:
            plan.cursor = rows[-1].no
        else:
            plan.cursor, plan.upto, plan.last_run_at = 0, None, now
    return True


async def _noted(
    session: AsyncSession, claims: Claims, verb: str, plan: VerificationPlan, after: dict[str, object]
) -> None:
    await record(
        session,
        claims,
        event=f"verification_plan.{verb}",
        object_type="verification_plan",
        object_id=plan.id,
        after=after,
    )


def plan_out(plan: VerificationPlan) -> PlanOut:
    """A plan as the API shows it."""
    named = _CLASSES[plan.check_class]
    names = ("id", "name", "check_class", "every_days", "region_code", "channel", "platform", "only_claimed")
    more = ("active", "version", "planned", "last_run_at", "created_by_name", "created_at")
    return PlanOut(
        **{name: getattr(plan, name) for name in (*names, *more)},
        class_zh=named.zh,
        class_en=named.en,
        running=plan.upto is not None,
    )
