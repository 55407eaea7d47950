"""HTTP of judgements."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.common.database import Session
from services.common.identity import Claims, require
from services.common.paging import Page
from services.registry.guards import Reader
from services.registry.judgements import service
from services.registry.judgements.schemas import JudgedOut, JudgementIn, JudgementOut, JudgementQuery

router = APIRouter(tags=["判定 judgements"])


@router.get("/judgements")
async def list_judgements(
    session: Session,
    claims: Reader,
    query: Annotated[JudgementQuery, Query()],
) -> Page[JudgementOut]:
    """判定记录 · judgements of shops of the caller's region, newest first."""
    return await service.list_judgements(session, claims, query)


@router.post("/judgements", status_code=201)
async def post_judgement(
    given: JudgementIn, session: Session, claims: Annotated[Claims, Depends(require("registry:judge"))]
) -> JudgedOut:
    """作出判定 · same, different, unsure, or withdrawn; holds against automatic links until a later one."""
    return await service.judge(session, claims, given)
