"""The evidence record over HTTP."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.common.identity import Claims, require
from services.evidence.orders.routes import EvidenceId
from services.evidence.renewals import service
from services.evidence.runtime import EvidenceRuntime

router = APIRouter(tags=["证据 evidence"])


@router.get("/evidence/{evidence_id}/record", response_class=Response)
async def get_record(
    evidence_id: EvidenceId, runtime: EvidenceRuntime, claims: Claims = Depends(require("evidence:read"))
) -> Response:
    """时间戳续期记录 · the evidence record (RFC 4998, DER), for `wangjian verify --record`."""
    found = await service.record_of(runtime, evidence_id, claims)
    headers = {
        "content-disposition": f'attachment; filename="{found.name}"',
        "x-valid-until": found.valid_until.isoformat(),
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-cache",
    }
    return Response(found.content, media_type="application/octet-stream", headers=headers)
