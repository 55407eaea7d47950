"""HTTP of divisions."""

from typing import Annotated

from fastapi import APIRouter, Depends

from services.common.database import Session
from services.common.identity import Claims
from services.registry.guards import directory_reader
from services.registry.regions import repository, service
from services.registry.regions.schemas import AliasList, RegionList, RegionOut
from services.registry.schemas import RegionCode

router = APIRouter(tags=["区划 regions"])


@router.get("/regions")
async def list_regions(
    session: Session,
    _: Annotated[Claims, Depends(directory_reader)],
    under: RegionCode | None = None,
) -> RegionList:
    """Divisions in code order (112 for one province); `under` keeps one subtree."""
    rows = await repository.all_regions(session, under)
    return RegionList(items=[RegionOut.model_validate(row) for row in rows])


@router.get("/regions/retired")
async def retired_codes(session: Session, _: Annotated[Claims, Depends(directory_reader)]) -> AliasList:
    """Codes and names that divisions had before, with their successors, in code order."""
    return await service.retired(session)
