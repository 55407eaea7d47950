"""Evidence over HTTP: the screens' reads, and sealing for the capture service."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, StreamingResponse
from starlette.responses import Response

from services.common.database import Session
from services.common.identity import Claims, public, require, require_service
from services.common.paging import Page
from services.evidence.items import service
from services.evidence.items.jobs import SealingJobs
from services.evidence.items.schemas import ItemOut, ItemRow, SealIn
from services.evidence.orders.routes import EvidenceId
from services.evidence.runtime import EvidenceRuntime
from services.evidence.verification.trust import dump_trust

router = APIRouter(tags=["证据 evidence"])
internal = APIRouter(include_in_schema=False)

# Captured bytes are hostile: never a document of the console's origin, whatever a browser makes of them.
SAFE_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "private, no-cache",
}
_INLINE = {"png": "image/png", "txt": "text/plain; charset=utf-8"}


@router.get("/evidence")
async def list_evidence(
    session: Session,
    claims: Claims = Depends(require("evidence:read")),
    q: Annotated[str, Query(max_length=200)] = "",
    outcome: Annotated[str | None, Query(pattern="^(COMPLETE|PARTIAL|BLOCKED|FAILED)$")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[ItemRow]:
    """证据列表 · evidence items, newest first."""
    return await service.list_items(session, claims, q=q, outcome=outcome, cursor=cursor, limit=limit)


@router.get("/evidence/{evidence_id}")
async def get_evidence(
    evidence_id: EvidenceId,
    runtime: EvidenceRuntime,
    claims: Claims = Depends(require("evidence:read")),
    reason: Annotated[str, Query(max_length=500)] = "",
) -> ItemOut:
    """证据详情 · one item with facts, artefacts and seals; a reason, when given, goes on record."""
    return await service.show(runtime, evidence_id, claims, reason)


@router.get("/evidence/{evidence_id}/artefacts/{path:path}", response_class=FileResponse)
async def get_artefact(
    evidence_id: EvidenceId,
    path: str,
    runtime: EvidenceRuntime,
    claims: Claims = Depends(require("evidence:read")),
) -> Response:
    """证据文件 · one artefact's bytes; pictures and text are shown, everything else is downloaded."""
    found = await service.artefact(runtime, evidence_id, path, claims)
    shown = _INLINE.get(found.name.rpartition(".")[2])
    if found.path is None:
        kind = "inline" if shown else "attachment"
        headers = {
            **SAFE_HEADERS,
            "x-sha256": found.sha256,
            "content-length": str(found.size),
            "content-disposition": f'{kind}; filename="{found.name}"',
        }
        media_type = shown or "application/octet-stream"
        return StreamingResponse(found.stream(), media_type=media_type, headers=headers)
    return FileResponse(
        found.path,
        media_type=shown or "application/octet-stream",
        filename=found.name,
        content_disposition_type="inline" if shown else "attachment",
        headers={**SAFE_HEADERS, "x-sha256": found.sha256},
    )


@router.get("/evidence/{evidence_id}/package", response_class=StreamingResponse)
async def get_package(
    evidence_id: EvidenceId,
    runtime: EvidenceRuntime,
    claims: Claims = Depends(require("evidence:export")),
    reason: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """导出证据包 · the package (WACZ); the reason goes on record."""
    found = await service.export(runtime, evidence_id, claims, reason)
    headers = {
        **SAFE_HEADERS,
        "content-length": str(found.size),
        "content-disposition": f'attachment; filename="{found.name}"',
        "x-sha256": found.sha256,
    }
    return StreamingResponse(found.stream, media_type="application/wacz+zip", headers=headers)


@router.post("/evidence/{evidence_id}/verification")
async def verify(
    evidence_id: EvidenceId, runtime: EvidenceRuntime, claims: Claims = Depends(require("evidence:read"))
) -> dict[str, Any]:
    """核验 · run the offline verifier on the stored package."""
    return await service.verify_item(runtime, evidence_id, claims)


@router.get("/trust", dependencies=[Depends(public("public keys and certificates only"))])
async def get_trust(runtime: EvidenceRuntime) -> Response:
    """信任文件 · the trust file for the offline verifier."""
    return Response(dump_trust(runtime.trust()), media_type="application/json")


@internal.post("/internal/intakes/{evidence_id}/seal", dependencies=[Depends(require_service("crawler"))])
async def seal(evidence_id: EvidenceId, given: SealIn, request: Request) -> StreamingResponse:
    """Seal an intake; one JSON line a stage. Calling again continues."""
    jobs: SealingJobs = request.app.state.jobs

    async def written() -> AsyncIterator[bytes]:
        async for lines in jobs.follow(evidence_id, given.envelope):
            yield b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)

    return StreamingResponse(written(), media_type="application/x-ndjson")
