"""Captures over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import StreamingResponse

from services.common.database import Session
from services.common.identity import Claims, require
from services.common.paging import Page
from services.crawler.captures import service
from services.crawler.captures.schemas import CaptureOrder, CaptureOut

router = APIRouter(tags=["取证 captures"])

CaptureId = Annotated[str, Path(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]


@router.post("/captures", status_code=202)
async def order_capture(
    order: CaptureOrder,
    session: Session,
    claims: Annotated[Claims, Depends(require("capture:create"))],
    idempotency_key: Annotated[str | None, Header(min_length=8, max_length=80)] = None,
) -> CaptureOut:
    """Order the capture of a page."""
    return await service.order_capture(session, claims, order, idempotency_key)


@router.get("/captures")
async def list_captures(
    session: Session,
    claims: Annotated[Claims, Depends(require("capture:read"))],
    q: Annotated[str | None, Query(max_length=200)] = None,
    state: Annotated[str | None, Query(pattern="^(queued|running|sealed|failed|cancelled)$")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[CaptureOut]:
    """Captures of the caller's region, newest first."""
    return await service.list_captures(session, claims, q=q, state=state, cursor=cursor, limit=limit)


@router.get("/captures/{capture_id}")
async def show_capture(
    capture_id: CaptureId, session: Session, claims: Annotated[Claims, Depends(require("capture:read"))]
) -> CaptureOut:
    """A capture with its steps."""
    return await service.show_capture(session, claims, capture_id)


@router.get("/captures/{capture_id}/events", response_class=StreamingResponse)
async def watch_capture(
    capture_id: CaptureId,
    request: Request,
    claims: Annotated[Claims, Depends(require("capture:read"))],
    last_event_id: Annotated[int, Header(ge=0)] = 0,
) -> StreamingResponse:
    """Steps as they happen (server-sent events), then `done` with the capture."""
    database = request.app.state.db
    async with database.transaction() as session:
        await service.show_capture(session, claims, capture_id)
    return StreamingResponse(
        service.watch_capture(database, claims, capture_id, last_event_id),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


@router.post("/captures/{capture_id}/cancel")
async def cancel_capture(
    capture_id: CaptureId, session: Session, claims: Annotated[Claims, Depends(require("capture:create"))]
) -> CaptureOut:
    """Cancel a capture that is not being sealed yet."""
    return await service.cancel_capture(session, claims, capture_id)
