"""HTTP of the one search box and of saved searches."""

from fastapi import APIRouter

from services.common.database import Reading, Session
from services.common.wire import Id
from services.registry.guards import Personal, Reader, Writer
from services.registry.searches import service, tagging
from services.registry.searches.schemas import (
    AnyIn,
    AnyOut,
    SearchIn,
    SearchList,
    SearchOut,
    SearchPatch,
    TagFoundIn,
    TagStep,
    Target,
)

router = APIRouter(tags=["检索 searches"])


@router.post("/searches/find")
async def find(given: AnyIn, session: Reading, personal: Personal, claims: Reader) -> AnyOut:
    """Subjects and shops by any part of a name, number, contact, address or domain; newest first."""
    return await service.find(session, personal, claims, given)


@router.post("/searches/tag")
async def tag_found(given: TagFoundIn, session: Session, personal: Personal, claims: Writer) -> TagStep:
    """Put a tag on all that a list finds, 1,000 rows a call, or take it off; `preview` changes nothing."""
    return await tagging.tag_found(session, personal, claims, given)


@router.get("/searches")
async def list_searches(
    session: Session, personal: Personal, claims: Reader, target: Target | None = None
) -> SearchList:
    """The caller's saved searches and those shared in his authority."""
    return await service.saved(session, personal, claims, target)


@router.post("/searches", status_code=201)
async def keep_search(given: SearchIn, session: Session, personal: Personal, claims: Reader) -> SearchOut:
    """Keep a search under a name, for oneself or for one's authority."""
    return await service.keep(session, personal, claims, given)


@router.patch("/searches/{search_id}")
async def change_search(
    search_id: Id, given: SearchPatch, session: Session, personal: Personal, claims: Reader
) -> SearchOut:
    """Rename or share one's own search."""
    return await service.change(session, personal, claims, search_id, given)


@router.delete("/searches/{search_id}", status_code=204)
async def drop_search(search_id: Id, session: Session, claims: Reader) -> None:
    """Delete one's own search."""
    await service.drop(session, claims, search_id)
