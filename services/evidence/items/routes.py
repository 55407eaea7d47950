"""Evidence over HTTP: the screens' reads, and sealing for the capture service."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import StringConstraints, TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from services.common.database import Session
from services.common.identity import Claims, public, require, require_service
from services.common.paging import Page
from services.evidence.items import service
from services.evidence.items.jobs import SealingJobs
from services.evidence.items.schemas import ItemOut, ItemRow, SealIn
from services.evidence.orders.routes import EVIDENCE_ID, EvidenceId
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


class _Seal:
    """`POST /internal/intakes/{evidence_id}/seal`: seal an intake; one JSON line a stage. Again: continues.

    A bare ASGI application, because a seal is waited for: no machinery for parameters and for each line.
    """

    _allowed = require_service("crawler")
    permissions = ("service:crawler",)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises Problem, RequestValidationError before the first line."""
        request = Request(scope, receive)
        scope["route"] = _SEAL  # by which requests are counted
        await _Seal._allowed(request)
        evidence_id, envelope = await _submitted(request)
        jobs: SealingJobs = request.app.state.jobs
        headers = [(b"content-type", b"application/x-ndjson")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for lines in jobs.follow(evidence_id, envelope):
            body = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _submitted(request: Request) -> tuple[str, dict[str, Any]]:
    try:
        evidence_id = _EVIDENCE_ID.validate_python(request.path_params["evidence_id"])
        return evidence_id, SealIn.model_validate_json(await request.body()).envelope
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


_EVIDENCE_ID: TypeAdapter[str] = TypeAdapter(Annotated[str, StringConstraints(pattern=EVIDENCE_ID)])
_SEAL = Route("/internal/intakes/{evidence_id}/seal", _Seal(), methods=["POST"])
internal.routes.append(_SEAL)
