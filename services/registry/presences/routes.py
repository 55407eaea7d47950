"""HTTP of presences."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from services.common.database import Session
from services.common.identity import Claims, require
from services.common.paging import Page
from services.common.personal import Personal
from services.common.wire import Id
from services.registry.presences import service
from services.registry.presences.schemas import PresenceIn, PresenceOut, PresenceQuery, PresenceRow

router = APIRouter(tags=["网店 presences"])


@router.get("/presences")
async def list_presences(
    session: Session,
    personal: Personal,
    claims: Annotated[Claims, Depends(require("registry:read"))],
    query: Annotated[PresenceQuery, Query()],
) -> Page[PresenceRow]:
    """Presences of the caller's region, newest first; `q` finds any part of names, numbers and contacts."""
    return await service.list_presences(session, personal, claims, query)


@router.post("/presences", status_code=201)
async def create_presence(
    given: PresenceIn,
    session: Session,
    personal: Personal,
    claims: Annotated[Claims, Depends(require("registry:write"))],
) -> PresenceOut:
    """Enter a presence; doubtful numbers are accepted with warnings."""
    return await service.create_presence(session, personal, claims, given)


@router.get("/presences/export", response_class=StreamingResponse)
async def export_presences(
    request: Request,
    personal: Personal,
    claims: Annotated[Claims, Depends(require("registry:read"))],
    query: Annotated[PresenceQuery, Query()],
) -> StreamingResponse:
    """The same rows as CSV; contacts masked, cells that a spreadsheet would run made harmless."""
    return StreamingResponse(
        service.export_csv(request.app.state.db, personal, claims, query),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="presences.csv"'},
    )


@router.get("/presences/{presence_id}")
async def get_presence(
    presence_id: Id,
    session: Session,
    personal: Personal,
    claims: Annotated[Claims, Depends(require("registry:read"))],
) -> PresenceOut:
    """One presence; personal values masked."""
    return await service.get_presence(session, personal, claims, presence_id)
