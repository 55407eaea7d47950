"""HTTP of findings."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from services.common.database import Session
from services.common.identity import Claims, require
from services.common.paging import Page
from services.registry.findings import service
from services.registry.findings.schemas import FindingQuery, FindingStateIn, FoundOut
from services.registry.guards import Reader

router = APIRouter(tags=["发现 findings"])


@router.get("/findings")
async def list_findings(
    session: Session,
    claims: Reader,
    query: Annotated[FindingQuery, Query()],
) -> Page[FoundOut]:
    """发现 · what the registry noticed about the caller's region, newest first."""
    return await service.list_findings(session, claims, query)


@router.post("/findings/{finding_id}/state")
async def post_state(
    finding_id: Annotated[int, Path(ge=1, lt=1 << 63)],
    given: FindingStateIn,
    session: Session,
    claims: Annotated[Claims, Depends(require("registry:judge"))],
) -> FoundOut:
    """处理发现 · seen, settled or new again, for the caller's own authority."""
    return await service.set_state(session, claims, finding_id, given)
