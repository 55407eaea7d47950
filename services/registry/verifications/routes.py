"""HTTP of verifications."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from services.common.database import Session, after_commit
from services.common.identity import Claims, require_any
from services.common.paging import Page
from services.common.wire import Id
from services.registry.guards import Assigner, Reader
from services.registry.verifications import planning, service
from services.registry.verifications.schemas import (
    CheckCounts,
    PlanChange,
    PlanIn,
    PlanList,
    PlanOut,
    ResultIn,
    StandingOut,
    VerificationIn,
    VerificationOut,
    VerificationQuery,
    VerificationRow,
    WeededRow,
    WeedingIn,
    WeedingOut,
)

router = APIRouter(tags=["定期复核 verifications"])
Checker = Annotated[Claims, Depends(require_any("registry:write", "registry:assign"))]


@router.get("/verifications")
async def list_verifications(
    session: Session, claims: Reader, query: Annotated[VerificationQuery, Query()]
) -> Page[VerificationRow]:
    """复核列表 · checks in the caller's area, the earliest due first."""
    return await service.list_verifications(session, claims, query)


@router.post("/verifications", status_code=201)
async def order_check(session: Session, claims: Checker, given: VerificationIn) -> VerificationOut:
    """下达复核 · order one check of one presence, due now."""
    return await service.order_check(session, claims, given)


@router.get("/verifications/counts")
async def check_counts(session: Session, claims: Reader) -> CheckCounts:
    """各类复核数量 · how many checks of each class are due, overdue, and how they ended."""
    return await service.counts(session, claims)


@router.get("/verifications/plans")
async def list_plans(session: Session, claims: Reader) -> PlanList:
    """复核计划 · the plans of the caller's area."""
    return await planning.list_plans(session, claims)


@router.post("/verifications/plans", status_code=201)
async def make_plan(request: Request, session: Session, claims: Assigner, given: PlanIn) -> PlanOut:
    """制定计划 · what is checked how often; its first round starts at once."""
    plan = await planning.make_plan(session, claims, given)
    _wake(request, session)
    return plan


@router.patch("/verifications/plans/{plan_id}")
async def change_plan(plan_id: Id, session: Session, claims: Assigner, given: PlanChange) -> PlanOut:
    """修改计划 · how often, stop, start."""
    return await planning.change_plan(session, claims, plan_id, given)


@router.post("/verifications/plans/{plan_id}/rounds", status_code=202)
async def run_plan(request: Request, plan_id: Id, session: Session, claims: Assigner) -> PlanOut:
    """立即执行 · write down now what is due; one round at a time."""
    plan = await planning.run_plan(session, claims, plan_id)
    _wake(request, session)
    return plan


@router.get("/verifications/weedings")
async def list_weeded(
    session: Session,
    claims: Reader,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[WeededRow]:
    """已剔除网店 · presences that were weeded out, with why and by whom."""
    return await service.list_weeded(session, claims, cursor, limit)


@router.post("/verifications/weedings")
async def weed(session: Session, claims: Assigner, given: WeedingIn) -> WeedingOut:
    """剔除与恢复 · take presences out of the registry or put them back; `dry_run` only tells."""
    return await service.weed(session, claims, given)


@router.get("/verifications/presences/{presence_id}")
async def get_standing(presence_id: Id, session: Session, claims: Reader) -> StandingOut:
    """网店在册情况 · a presence's checks, and what was weeded and restored."""
    return await service.standing_of(session, claims, presence_id)


@router.get("/verifications/{verification_id}")
async def get_verification(verification_id: Id, session: Session, claims: Reader) -> VerificationOut:
    """复核详情 · one check with its presence's standing."""
    return await service.get_verification(session, claims, verification_id)


@router.post("/verifications/{verification_id}/transitions")
async def give_result(
    verification_id: Id, session: Session, claims: Checker, given: ResultIn
) -> VerificationOut:
    """填报结果 · give a check its result on the version the caller saw."""
    return await service.give_result(session, claims, verification_id, given)


def _wake(request: Request, session: Session) -> None:
    async def wake() -> None:
        request.app.state.verification_plans.wake()

    after_commit(session, wake)
