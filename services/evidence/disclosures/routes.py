"""The interface of copies that say less."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from services.common.identity import Claims, require
from services.evidence.disclosures import service
from services.evidence.disclosures.schemas import RedactionIn
from services.evidence.items.routes import SAFE_HEADERS
from services.evidence.orders.routes import EvidenceId
from services.evidence.runtime import EvidenceRuntime

router = APIRouter(tags=["证据 evidence"])


@router.post("/evidence/{evidence_id}/redaction", response_class=StreamingResponse)
async def post_redaction(
    evidence_id: EvidenceId,
    given: RedactionIn,
    runtime: EvidenceRuntime,
    claims: Claims = Depends(require("evidence:export")),
) -> Response:
    """删节副本 · the package without some of its files; verified as REDACTED. The reason goes on record."""
    made = await service.redaction(runtime, evidence_id, given.paths, claims, given.reason)
    return _sent(made, "application/wacz+zip")


@router.get("/evidence/{evidence_id}/disclosure", response_class=StreamingResponse)
async def get_disclosure(
    evidence_id: EvidenceId,
    runtime: EvidenceRuntime,
    path: Annotated[str, Query(max_length=120)],
    reason: Annotated[str, Query(max_length=500)] = "",
    claims: Claims = Depends(require("evidence:export")),
) -> Response:
    """单文件披露 · one file with its proof, nothing of the others; verified as DISCLOSED."""
    made = await service.disclosure(runtime, evidence_id, path, claims, reason)
    return _sent(made, "application/zip")


def _sent(made: service.Copy, media_type: str) -> Response:
    headers = {
        **SAFE_HEADERS,
        "content-length": str(made.size),
        "content-disposition": f'attachment; filename="{made.name}"',
    }
    return StreamingResponse(made.stream, media_type=media_type, headers=headers)
