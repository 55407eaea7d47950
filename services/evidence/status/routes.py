"""The state of sealing over HTTP."""

from fastapi import APIRouter, Depends, Request

from services.common.identity import require
from services.evidence.runtime import EvidenceRuntime
from services.evidence.status import service
from services.evidence.status.schemas import EvidenceStatus

router = APIRouter(tags=["固证状态 evidence status"], dependencies=[Depends(require("system:read"))])


@router.get("/evidence-status")
async def get_status(runtime: EvidenceRuntime, request: Request) -> EvidenceStatus:
    """固证状态 · what waits to be sealed, and whether everything sealing rests on is there."""
    return await service.status(runtime, request.app.state.store_watch.report())
