"""HTTP of authorities."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.common.database import Session
from services.common.identity import Claims, require_service
from services.common.problems import not_found
from services.common.wire import SearchText
from services.registry.guards import Assigner, directory_reader
from services.registry.organisations import repository, service
from services.registry.organisations.schemas import OrganisationIn, OrganisationList, OrganisationOut
from services.registry.schemas import RegionCode

router = APIRouter(tags=["机构 organisations"])


@router.get("/organisations")
async def list_organisations(
    session: Session,
    _: Annotated[Claims, Depends(directory_reader)],
    q: Annotated[SearchText | None, Query()] = None,
    under: RegionCode | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> OrganisationList:
    """Authorities by part of the name or start of the code; `under` keeps one region's subtree."""
    rows = await repository.search(session, q, under, limit)
    return OrganisationList(items=[OrganisationOut.model_validate(row) for row in rows])


@router.post("/organisations", status_code=201)
async def enter_organisation(
    given: OrganisationIn,
    session: Session,
    claims: Assigner,
) -> OrganisationOut:
    """Enter the bureau of a function zone, or a station, below an authority of the caller's area."""
    return await service.enter(session, claims, given)


@router.get("/internal/organisations/{code}", include_in_schema=False)
async def organisation(
    code: str,
    session: Session,
    _: Annotated[Claims, Depends(require_service("casework", "crawler", "evidence", "gateway"))],
) -> OrganisationOut:
    """One authority, for other services."""
    row = await repository.by_code(session, code)
    if row is None:
        raise not_found("机构", "organisation")
    return OrganisationOut.model_validate(row)
