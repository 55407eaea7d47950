"""Intakes over HTTP (capture service only)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request

from services.common.identity import require_service
from services.evidence.intakes.schemas import ArtefactTaken
from services.evidence.intakes.service import take_artefact
from services.evidence.orders.routes import EvidenceId
from services.evidence.runtime import EvidenceRuntime

router = APIRouter(include_in_schema=False, dependencies=[Depends(require_service("crawler"))])


@router.put("/internal/intakes/{evidence_id}/artefacts/{path:path}")
async def put_artefact(
    evidence_id: EvidenceId,
    path: str,
    request: Request,
    runtime: EvidenceRuntime,
    x_sha256: Annotated[str, Header()] = "",
    x_sm3: Annotated[str, Header()] = "",
    content_type: Annotated[str, Header()] = "",
) -> ArtefactTaken:
    """Take one artefact as a raw body."""
    return await take_artefact(
        runtime.database,
        runtime.store,
        evidence_id,
        path,
        content_type=content_type,
        sha256=x_sha256,
        sm3=x_sm3,
        chunks=request.stream(),
        limit=runtime.own.artefact_limit_bytes,
    )
