"""HTTP of claims."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from services.common.database import Session, after_commit
from services.common.identity import Claims, require_any
from services.common.paging import Page
from services.common.wire import Id
from services.registry.claims import bulk, service
from services.registry.claims.schemas import (
    BulkIn,
    ClaimIn,
    ClaimJobOut,
    ClaimOut,
    ClaimPreview,
    ClaimQuery,
    ClaimRow,
    CountList,
    JobIn,
    MatchIn,
)
from services.registry.guards import Assigner, Reader

router = APIRouter(tags=["属地认领 claims"])
Decider = Annotated[Claims, Depends(require_any("registry:claim", "registry:assign"))]


@router.get("/claims")
async def list_claims(
    session: Session, claims: Reader, query: Annotated[ClaimQuery, Query()]
) -> Page[ClaimRow]:
    """属地认领列表 · presences in the caller's area with their standing; `inbox` keeps open offers to him."""
    return await service.list_claims(session, claims, query)


@router.get("/claims/counts")
async def claim_counts(session: Session, claims: Reader) -> CountList:
    """各地各状态数量 · how many stand in each state, by region of the caller's area."""
    return await service.counts(session, claims)


@router.post("/claims/preview")
async def preview_order(session: Session, claims: Decider, given: BulkIn) -> ClaimPreview:
    """批量预览 · what an order for many would do and skip, and why; nothing is changed."""
    return await bulk.preview(session, claims, given)


@router.post("/claims/matching", status_code=202)
async def order_matching(request: Request, session: Session, claims: Assigner, given: MatchIn) -> ClaimJobOut:
    """自动匹配 · match imported presences to authorities by their addresses, as a job."""
    job = await bulk.order_matching(session, claims, given)
    _wake(request, session)
    return job


@router.post("/claims/jobs", status_code=202)
async def order_job(request: Request, session: Session, claims: Decider, given: JobIn) -> ClaimJobOut:
    """批量办理 · order a change of many as one job; the same key is the same job."""
    job = await bulk.order_job(session, claims, given)
    _wake(request, session)
    return job


@router.get("/claims/jobs")
async def list_jobs(
    session: Session,
    claims: Reader,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[ClaimJobOut]:
    """批量任务 · jobs of the caller's area, newest first."""
    return await bulk.list_jobs(session, claims, cursor, limit)


@router.get("/claims/jobs/{job_id}")
async def get_job(job_id: Id, session: Session, claims: Reader) -> ClaimJobOut:
    """批量任务进度 · one job and how far it is."""
    return await bulk.get_job(session, claims, job_id)


@router.post("/claims/jobs/{job_id}/cancellation")
async def cancel_job(job_id: Id, session: Session, claims: Decider) -> ClaimJobOut:
    """停止批量任务 · stop a job; what was done stays done."""
    return await bulk.cancel_job(session, claims, job_id)


@router.get("/claims/{presence_id}")
async def get_claim(presence_id: Id, session: Session, claims: Reader) -> ClaimOut:
    """属地详情 · who has jurisdiction over a presence, since when and why; what can be done now."""
    return await service.get_claim(session, claims, presence_id)


@router.post("/claims/{presence_id}/transitions")
async def move_claim(presence_id: Id, session: Session, claims: Decider, given: ClaimIn) -> ClaimOut:
    """办理 · take one step on the version the caller saw."""
    return await service.move_claim(session, claims, presence_id, given)


def _wake(request: Request, session: Session) -> None:
    async def wake() -> None:
        request.app.state.claim_jobs.wake()

    after_commit(session, wake)
