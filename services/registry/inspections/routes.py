"""HTTP of the list of inspections; one is entered on its presence (`/presences/{id}/inspections`)."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.common.database import Session
from services.common.paging import Page
from services.registry.guards import Reader
from services.registry.inspections import service
from services.registry.inspections.schemas import InspectionOut, InspectionQuery

router = APIRouter(tags=["检查 inspections"])


@router.get("/inspections")
async def list_inspections(
    session: Session,
    claims: Reader,
    query: Annotated[InspectionQuery, Query()],
) -> Page[InspectionOut]:
    """Inspections of the caller's region, newest entry first; `q` finds part of the shop name or note."""
    return await service.list_inspections(session, claims, query)
