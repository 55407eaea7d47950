"""HTTP of cases."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.casework.cases import service
from services.casework.cases.schemas import CaseOut, CaseRow
from services.casework.schemas import ListQuery, TransitionIn
from services.common.database import Session
from services.common.identity import Claims, require
from services.common.paging import Page
from services.common.wire import Id

router = APIRouter(tags=["案件 cases"])


@router.get("/cases")
async def list_cases(
    session: Session,
    claims: Annotated[Claims, Depends(require("case:read"))],
    query: Annotated[ListQuery, Query()],
) -> Page[CaseRow]:
    """Cases handled in the caller's region, newest first."""
    return await service.list_cases(session, claims, query)


@router.get("/cases/{case_id}")
async def get_case(
    case_id: Id, session: Session, claims: Annotated[Claims, Depends(require("case:read"))]
) -> CaseOut:
    """One case with its evidence, history, limit and the steps this caller can take now."""
    return await service.get_case(session, claims, case_id)


@router.post("/cases/{case_id}/transitions")
async def move_case(
    case_id: Id,
    given: TransitionIn,
    session: Session,
    claims: Annotated[Claims, Depends(require("case:read", "case:write"))],
) -> CaseOut:
    """Take one step; 409 with the possible ones when it does not fit or the case has moved."""
    return await service.move_case(session, claims, case_id, given)
