"""Custody over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from services.common.identity import Claims, require
from services.evidence.custody import inspection
from services.evidence.custody.schemas import CustodyOut, PrintIn, PrintOut
from services.evidence.orders.routes import EvidenceId
from services.evidence.runtime import EvidenceRuntime

router = APIRouter(tags=["保管链 custody"])

Seq = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/evidence/{evidence_id}/custody")
async def get_custody(
    evidence_id: EvidenceId, runtime: EvidenceRuntime, claims: Claims = Depends(require("evidence:read"))
) -> CustodyOut:
    """保管链 · the chain of custody, every record checked against its neighbours and the log."""
    return await inspection.timeline(runtime, evidence_id, claims)


@router.get("/evidence/{evidence_id}/custody/{seq}/proof")
async def get_proof(
    evidence_id: EvidenceId,
    seq: Seq,
    runtime: EvidenceRuntime,
    claims: Claims = Depends(require("evidence:read")),
) -> Response:
    """保管记录证明 · proof that this record stands in the log, for `wangjian verify`."""
    made = await inspection.proof(runtime, evidence_id, seq, claims)
    name = f"custody-{evidence_id}-{seq}.json"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(made, media_type="application/json", headers=headers)


@router.post("/evidence/{evidence_id}/custody/{seq}/verification")
async def verify_record(
    evidence_id: EvidenceId,
    seq: Seq,
    runtime: EvidenceRuntime,
    claims: Claims = Depends(require("evidence:read")),
) -> dict[str, Any]:
    """核验保管记录 · run the offline verifier on the record's proof."""
    return await inspection.verify_proof(runtime, evidence_id, seq, claims)


@router.post("/evidence/{evidence_id}/custody/printed")
async def post_printed(
    evidence_id: EvidenceId,
    given: PrintIn,
    runtime: EvidenceRuntime,
    claims: Claims = Depends(require("evidence:export")),
) -> PrintOut:
    """打印 · put a print and its reason on record; gives the chain for the print."""
    return await inspection.printed(runtime, evidence_id, claims, given.reason)
