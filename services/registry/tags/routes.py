"""HTTP of tags."""

from typing import Annotated

from fastapi import APIRouter, Path

from services.common.database import Session
from services.registry.guards import Reader, Writer
from services.registry.tags import service
from services.registry.tags.schemas import TagIn, TagList, TagOut, TagPatch, TagRowsIn, TagRowsOut

router = APIRouter(tags=["标签 tags"])
TagId = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/tags")
async def list_tags(
    session: Session,
    claims: Reader,
    retired: bool = False,
) -> TagList:
    """The tags of the caller's authority, of those above and below it; `retired` adds the old ones."""
    return await service.list_tags(session, claims, retired=retired)


@router.post("/tags", status_code=201)
async def define_tag(given: TagIn, session: Session, claims: Writer) -> TagOut:
    """Define a tag for the caller's authority and those below it."""
    return await service.define(session, claims, given)


@router.patch("/tags/{tag_id}")
async def change_tag(
    tag_id: TagId,
    given: TagPatch,
    session: Session,
    claims: Writer,
) -> TagOut:
    """Change or retire a tag of the caller's own authority."""
    return await service.change(session, claims, tag_id, given)


@router.post("/tags/{tag_id}/rows")
async def set_tag(
    tag_id: TagId,
    given: TagRowsIn,
    session: Session,
    claims: Writer,
) -> TagRowsOut:
    """Put a tag on up to 1,000 records, or take it off; `preview` says how many would change."""
    return await service.set_rows(session, claims, tag_id, given)
