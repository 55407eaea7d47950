"""The store and its sweeps over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from services.common.database import Session
from services.common.identity import Claims, require
from services.evidence.runtime import EvidenceRuntime
from services.evidence.status.service import free_space
from services.evidence.sweeps import service
from services.evidence.sweeps.jobs import SweepJobs
from services.evidence.sweeps.schemas import StoreOut, SweepOut

router = APIRouter(tags=["证据存储 evidence store"])


@router.get("/evidence-store", dependencies=[Depends(require("system:read"))])
async def get_store(runtime: EvidenceRuntime, session: Session, request: Request) -> StoreOut:
    """证据存储 · which store, whether it refuses deletion, the newest sweep and its report."""
    report = request.app.state.store_watch.report()
    return StoreOut(**report, **free_space(runtime), sweep=await service.newest(session))


@router.post("/evidence-store/sweeps", status_code=202)
async def post_sweep(
    claims: Annotated[Claims, Depends(require("store:sweep"))], session: Session, request: Request
) -> SweepOut:
    """全面复核 · ask for a sweep now; an open one is given instead of a second."""
    asked = await service.request(session, f"{claims.sub} {claims.name}")
    jobs: SweepJobs = request.app.state.sweeps
    jobs.wake()
    return asked


@router.post(
    "/evidence-store/sweeps/cancellation", status_code=202, dependencies=[Depends(require("store:sweep"))]
)
async def post_cancellation(session: Session) -> SweepOut:
    """停止复核 · stop the sweep that is under way."""
    return await service.cancel(session)
