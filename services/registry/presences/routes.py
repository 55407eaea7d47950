"""HTTP of presences."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.common.database import Reading, Session
from services.common.identity import Claims
from services.common.paging import Page
from services.common.wire import Id
from services.registry.changes.schemas import ChangeOut, OriginOut
from services.registry.guards import Personal, Reader, Revealer, Writer
from services.registry.inspections.schemas import InspectionIn, InspectionOut
from services.registry.permits.schemas import PermitIn, PermitOut, PermitPatch
from services.registry.personal.schemas import RevealIn, RevealOut
from services.registry.presences import listing, service
from services.registry.presences.editing import edit_presence
from services.registry.presences.schemas import (
    PresenceIn,
    PresenceOut,
    PresencePatch,
    PresenceQuery,
    PresenceRow,
)
from services.registry.search.schemas import Facets

router = APIRouter(tags=["网店 presences"])


@router.get("/presences")
async def list_presences(
    session: Reading,
    personal: Personal,
    claims: Reader,
    query: Annotated[PresenceQuery, Query()],
) -> Page[PresenceRow]:
    """Presences of the caller's region, newest first; `q` finds any part of names, numbers and contacts."""
    return await listing.list_presences(session, personal, claims, query)


@router.post("/presences", status_code=201)
async def create_presence(
    given: PresenceIn,
    session: Session,
    personal: Personal,
    claims: Writer,
) -> PresenceOut:
    """Enter a presence; doubtful numbers are accepted with warnings."""
    return await service.create_presence(session, personal, claims, given)


@router.post("/presences/search")
async def search_presences(
    query: PresenceQuery,
    session: Reading,
    personal: Personal,
    claims: Reader,
) -> Page[PresenceRow]:
    """The same list; the words stand in the body, since they may be somebody's telephone number."""
    return await listing.list_presences(session, personal, claims, query)


@router.post("/presences/facets")
async def count_found_presences(
    query: PresenceQuery,
    session: Reading,
    personal: Personal,
    claims: Reader,
) -> Facets:
    """How the matches are spread, the words in the body."""
    return await listing.presence_facets(session, personal, claims, query)


@router.get("/presences/facets")
async def count_presences(
    session: Reading,
    personal: Personal,
    claims: Reader,
    query: Annotated[PresenceQuery, Query()],
) -> Facets:
    """How many match and how they are spread over regions, channels, platforms, states and tags."""
    return await listing.presence_facets(session, personal, claims, query)


@router.post("/presences/export", response_class=StreamingResponse)
async def export_found_presences(
    request: Request,
    query: PresenceQuery,
    personal: Personal,
    claims: Reader,
) -> StreamingResponse:
    """The matches as CSV, the words in the body."""
    return _csv(request, personal, claims, query)


@router.get("/presences/export", response_class=StreamingResponse)
async def export_presences(
    request: Request,
    personal: Personal,
    claims: Reader,
    query: Annotated[PresenceQuery, Query()],
) -> StreamingResponse:
    """The same rows as CSV; contacts masked, cells that a spreadsheet would run made harmless."""
    return _csv(request, personal, claims, query)


@router.get("/presences/{presence_id}")
async def get_presence(
    presence_id: Id,
    session: Session,
    personal: Personal,
    claims: Reader,
) -> PresenceOut:
    """One presence; personal values masked."""
    return await service.get_presence(session, personal, claims, presence_id)


@router.patch("/presences/{presence_id}")
async def change_presence(
    presence_id: Id,
    given: PresencePatch,
    session: Session,
    personal: Personal,
    claims: Writer,
) -> PresenceOut:
    """Change what is given; the old values stay in the history."""
    return await edit_presence(session, personal, claims, presence_id, given)


@router.post("/presences/{presence_id}/reveal")
async def reveal_presence(
    presence_id: Id,
    given: RevealIn,
    response: Response,
    session: Session,
    personal: Personal,
    claims: Revealer,
) -> RevealOut:
    """The personal values in full, for a purpose that goes into the audit record."""
    response.headers["Cache-Control"] = "no-store"
    return await service.reveal_presence(session, personal, claims, presence_id, given)


@router.get("/presences/{presence_id}/history")
async def presence_history(
    presence_id: Id,
    session: Session,
    personal: Personal,
    claims: Reader,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[ChangeOut]:
    """What changed, newest first: who, when, from which source, from what to what; personal values masked."""
    return await service.presence_history(session, personal, claims, presence_id, cursor)


@router.get("/presences/{presence_id}/origins")
async def presence_origins(
    presence_id: Id,
    session: Session,
    personal: Personal,
    claims: Reader,
) -> list[OriginOut]:
    """Of each value: its source, when it was first seen and last seen."""
    return await service.presence_origins(session, personal, claims, presence_id)


@router.post("/presences/{presence_id}/inspections", status_code=201)
async def inspect_presence(
    presence_id: Id,
    given: InspectionIn,
    session: Session,
    claims: Writer,
) -> InspectionOut:
    """Enter an inspection of a presence."""
    return await service.inspect(session, claims, presence_id, given)


@router.post("/presences/{presence_id}/permits", status_code=201)
async def enter_presence_permit(
    presence_id: Id,
    given: PermitIn,
    session: Session,
    claims: Writer,
) -> PermitOut:
    """Enter a permit shown by a presence."""
    return await service.enter_permit(session, claims, presence_id, given)


@router.patch("/presences/{presence_id}/permits/{permit_id}")
async def change_presence_permit(
    presence_id: Id,
    permit_id: Id,
    given: PermitPatch,
    session: Session,
    personal: Personal,
    claims: Writer,
) -> PermitOut:
    """Change a permit of a presence, or note what a check of it gave."""
    return await service.change_permit(session, personal, claims, presence_id, permit_id, given)


def _csv(request: Request, personal: Personal, claims: Claims, query: PresenceQuery) -> StreamingResponse:
    return StreamingResponse(
        listing.export_csv(request.app.state.db, personal, claims, query),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="presences.csv"'},
    )
