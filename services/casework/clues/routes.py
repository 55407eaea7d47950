"""HTTP of clues."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from services.casework.clues import service
from services.casework.clues.schemas import ClueIn, ClueOut, ClueQuery, ClueRow
from services.casework.schemas import TransitionIn
from services.common.database import Session
from services.common.identity import Claims, require
from services.common.paging import Page
from services.common.wire import Id

router = APIRouter(tags=["线索 clues"])


@router.post("/clues", status_code=201)
async def create_clue(
    given: ClueIn,
    request: Request,
    session: Session,
    claims: Annotated[Claims, Depends(require("clue:create"))],
) -> ClueOut:
    """Make a clue, with evidence the caller may see."""
    return await service.create_clue(session, claims, request.app.state.peers, given)


@router.get("/clues")
async def list_clues(
    session: Session,
    claims: Annotated[Claims, Depends(require("clue:read"))],
    query: Annotated[ClueQuery, Query()],
) -> Page[ClueRow]:
    """Clues found in or assigned to the caller's region, newest first; `q` finds any part of their text."""
    return await service.list_clues(session, claims, query)


@router.get("/clues/{clue_id}")
async def get_clue(
    clue_id: Id, session: Session, claims: Annotated[Claims, Depends(require("clue:read"))]
) -> ClueOut:
    """One clue with its evidence, history, limit and the steps this caller can take now."""
    return await service.get_clue(session, claims, clue_id)


@router.post("/clues/{clue_id}/transitions")
async def move_clue(
    clue_id: Id,
    given: TransitionIn,
    request: Request,
    session: Session,
    claims: Annotated[Claims, Depends(require("clue:read"))],
) -> ClueOut:
    """Take one step; 409 with the possible ones when it does not fit or the clue has moved."""
    return await service.move_clue(session, claims, request.app.state.peers, clue_id, given)
