"""Reconciling the log over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from services.common import audit
from services.common.identity import Claims, require
from services.evidence.reconciliations.schemas import ReconcileIn
from services.evidence.reconciliations.service import inspect, reconcile
from services.evidence.runtime import EvidenceRuntime

router = APIRouter(tags=["存证日志维护 keeping the log"])


@router.get("/log-keeping/reconciliation")
async def get_reconciliation(
    _: Annotated[Claims, Depends(require("log:manage"))], runtime: EvidenceRuntime
) -> dict[str, Any]:
    """日志核对情况 · what the witnesses saw and what is missing here; nothing is changed."""
    found = await inspect(runtime.log, runtime.custodians())
    return found.report(runtime.log.refusal)


@router.post("/log-keeping/reconciliation")
async def post_reconciliation(
    given: ReconcileIn, claims: Annotated[Claims, Depends(require("log:manage"))], runtime: EvidenceRuntime
) -> dict[str, Any]:
    """核对并恢复日志 · recover what can be recovered, so that the log may sign again."""
    origin = runtime.log.origin
    custodians = runtime.custodians()
    done = await reconcile(runtime.log, custodians, accept_loss=given.accept_loss, reason=given.reason)
    async with runtime.database.transaction() as session:
        await audit.record(
            session,
            claims,
            event=f"log.reconciled.{done['done']}",
            object_type="log",
            object_id=origin,
            after={**done, "reason": given.reason},
        )
    return done
