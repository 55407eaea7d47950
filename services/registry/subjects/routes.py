"""HTTP of subjects."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.common.database import Session
from services.common.identity import Claims, require
from services.common.paging import Page
from services.common.personal import Personal
from services.common.wire import Id
from services.registry.subjects import service
from services.registry.subjects.schemas import SubjectIn, SubjectOut, SubjectQuery, SubjectRow

router = APIRouter(tags=["主体 subjects"])


@router.get("/subjects")
async def list_subjects(
    session: Session,
    personal: Personal,
    claims: Annotated[Claims, Depends(require("registry:read"))],
    query: Annotated[SubjectQuery, Query()],
) -> Page[SubjectRow]:
    """Subjects of the caller's region, newest first; `q` finds any part of names, numbers and contacts."""
    return await service.list_subjects(session, personal, claims, query, query.kind)


@router.post("/subjects", status_code=201)
async def create_subject(
    given: SubjectIn,
    session: Session,
    personal: Personal,
    claims: Annotated[Claims, Depends(require("registry:write"))],
) -> SubjectOut:
    """Enter a subject; doubtful numbers are accepted with warnings."""
    return await service.create_subject(session, personal, claims, given)


@router.get("/subjects/{subject_id}")
async def get_subject(
    subject_id: Id,
    session: Session,
    personal: Personal,
    claims: Annotated[Claims, Depends(require("registry:read"))],
) -> SubjectOut:
    """One subject with its presences; personal values masked."""
    return await service.get_subject(session, personal, claims, subject_id)
