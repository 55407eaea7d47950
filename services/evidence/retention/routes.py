"""Legal holds over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from services.common.identity import Claims, require
from services.evidence.orders.routes import EvidenceId
from services.evidence.retention import service
from services.evidence.retention.jobs import RetentionJobs
from services.evidence.retention.schemas import HoldIn, RetentionOut
from services.evidence.runtime import EvidenceRuntime

router = APIRouter(tags=["保全 retention and hold"])

# First among the parameters, so that leave is checked before anything else is looked at.
Holder = Annotated[Claims, Depends(require("evidence:hold"))]


def _wake(request: Request) -> None:
    jobs: RetentionJobs = request.app.state.retention
    jobs.wake()


@router.post("/evidence/{evidence_id}/hold")
async def post_hold(
    claims: Holder, evidence_id: EvidenceId, given: HoldIn, runtime: EvidenceRuntime, request: Request
) -> RetentionOut:
    """保全冻结 · put the item under legal hold; the reason goes on record."""
    shown = await service.hold(runtime, evidence_id, claims, given.reason)
    _wake(request)
    return shown


@router.post("/evidence/{evidence_id}/hold/release")
async def post_release(
    claims: Holder, evidence_id: EvidenceId, given: HoldIn, runtime: EvidenceRuntime, request: Request
) -> RetentionOut:
    """解除冻结 · lift the legal hold; the reason goes on record."""
    shown = await service.release(runtime, evidence_id, claims, given.reason)
    _wake(request)
    return shown
