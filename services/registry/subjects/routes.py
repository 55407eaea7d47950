"""HTTP of subjects."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.common.database import Reading, Session
from services.common.paging import Page
from services.common.wire import Id
from services.registry.changes.schemas import ChangeOut, OriginOut
from services.registry.guards import Personal, Reader, Revealer, Writer
from services.registry.permits.schemas import PermitIn, PermitOut, PermitPatch
from services.registry.personal.schemas import RevealIn, RevealOut
from services.registry.search.schemas import Facets
from services.registry.subjects import listing, service
from services.registry.subjects.editing import edit_subject
from services.registry.subjects.schemas import SubjectIn, SubjectOut, SubjectPatch, SubjectQuery, SubjectRow

router = APIRouter(tags=["主体 subjects"])


@router.get("/subjects")
async def list_subjects(
    session: Reading,
    personal: Personal,
    claims: Reader,
    query: Annotated[SubjectQuery, Query()],
) -> Page[SubjectRow]:
    """Subjects of the caller's region, newest first; `q` finds any part of names, numbers and contacts."""
    return await listing.list_subjects(session, personal, claims, query)


@router.post("/subjects", status_code=201)
async def create_subject(
    given: SubjectIn,
    session: Session,
    personal: Personal,
    claims: Writer,
) -> SubjectOut:
    """Enter a subject; doubtful numbers are accepted with warnings."""
    return await service.create_subject(session, personal, claims, given)


@router.post("/subjects/search")
async def search_subjects(
    query: SubjectQuery,
    session: Reading,
    personal: Personal,
    claims: Reader,
) -> Page[SubjectRow]:
    """The same list; the words stand in the body, since they may be somebody's telephone number."""
    return await listing.list_subjects(session, personal, claims, query)


@router.post("/subjects/facets")
async def count_found_subjects(
    query: SubjectQuery,
    session: Reading,
    personal: Personal,
    claims: Reader,
) -> Facets:
    """How the matches are spread, the words in the body."""
    return await listing.subject_facets(session, personal, claims, query)


@router.get("/subjects/facets")
async def count_subjects(
    session: Reading,
    personal: Personal,
    claims: Reader,
    query: Annotated[SubjectQuery, Query()],
) -> Facets:
    """How many match and how they are spread over regions, kinds, states and tags."""
    return await listing.subject_facets(session, personal, claims, query)


@router.get("/subjects/{subject_id}")
async def get_subject(
    subject_id: Id,
    session: Session,
    personal: Personal,
    claims: Reader,
) -> SubjectOut:
    """One subject with its presences; personal values masked."""
    return await service.get_subject(session, personal, claims, subject_id)


@router.patch("/subjects/{subject_id}")
async def change_subject(
    subject_id: Id,
    given: SubjectPatch,
    session: Session,
    personal: Personal,
    claims: Writer,
) -> SubjectOut:
    """Change what is given; the old values stay in the history."""
    return await edit_subject(session, personal, claims, subject_id, given)


@router.post("/subjects/{subject_id}/reveal")
async def reveal_subject(
    subject_id: Id,
    given: RevealIn,
    response: Response,
    session: Session,
    personal: Personal,
    claims: Revealer,
) -> RevealOut:
    """The personal values in full, for a purpose that goes into the audit record."""
    response.headers["Cache-Control"] = "no-store"
    return await service.reveal_subject(session, personal, claims, subject_id, given)


@router.get("/subjects/{subject_id}/history")
async def subject_history(
    subject_id: Id,
    session: Session,
    personal: Personal,
    claims: Reader,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[ChangeOut]:
    """What changed, newest first: who, when, from which source, from what to what; personal values masked."""
    return await service.subject_history(session, personal, claims, subject_id, cursor)


@router.get("/subjects/{subject_id}/origins")
async def subject_origins(
    subject_id: Id,
    session: Session,
    personal: Personal,
    claims: Reader,
) -> list[OriginOut]:
    """Of each value: its source, when it was first seen and last seen."""
    return await service.subject_origins(session, personal, claims, subject_id)


@router.post("/subjects/{subject_id}/permits", status_code=201)
async def enter_permit(
    subject_id: Id,
    given: PermitIn,
    session: Session,
    claims: Writer,
) -> PermitOut:
    """Enter a permit of a subject."""
    return await service.enter_permit(session, claims, subject_id, given)


@router.patch("/subjects/{subject_id}/permits/{permit_id}")
async def change_permit(
    subject_id: Id,
    permit_id: Id,
    given: PermitPatch,
    session: Session,
    personal: Personal,
    claims: Writer,
) -> PermitOut:
    """Change a permit of a subject, or note what a check of it gave."""
    return await service.change_permit(session, personal, claims, subject_id, permit_id, given)
