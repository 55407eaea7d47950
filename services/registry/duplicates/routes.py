"""HTTP of duplicates."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from services.common.database import Session
from services.common.paging import Page
from services.common.wire import Id
from services.registry.duplicates import service
from services.registry.duplicates.schemas import (
    DismissOrder,
    DuplicateQuery,
    DuplicateRow,
    DuplicateSearch,
    MergeDone,
    MergeOrder,
    MergePreview,
)
from services.registry.duplicates.tasks import DuplicateSearches
from services.registry.guards import Importer, Personal

router = APIRouter(tags=["查重合并 duplicates"])
DuplicateId = Annotated[int, Path(ge=1, lt=1 << 63)]


@router.get("/duplicates")
async def list_duplicates(
    session: Session, claims: Importer, query: Annotated[DuplicateQuery, Query()]
) -> Page[DuplicateRow]:
    """Records of the caller's region that may stand twice, with the reasons."""
    return await service.list_duplicates(session, claims, query)


def _searches(request: Request) -> DuplicateSearches:
    searches: DuplicateSearches = request.app.state.duplicate_searches
    return searches


@router.post("/duplicates/search", status_code=202)
async def search_duplicates(request: Request, claims: Importer) -> DuplicateSearch:
    """查重 · look through the caller's region in the background; proposals decided before stay decided."""
    return _searches(request).start(claims)


@router.get("/duplicates/search")
async def search_state(request: Request, claims: Importer) -> DuplicateSearch:
    """How far the search is."""
    return _searches(request).state(claims)


@router.post("/duplicates/search/cancel")
async def cancel_search(request: Request, claims: Importer) -> DuplicateSearch:
    """停止查重 · what was found stays; the next search finds the rest."""
    return await _searches(request).cancel(claims)


@router.get("/duplicates/{duplicate_id}")
async def preview(
    duplicate_id: DuplicateId, session: Session, personal: Personal, claims: Importer, keep: Id | None = None
) -> MergePreview:
    """What merging the two would do: field by field, conflicts shown, personal values masked."""
    return await service.preview(session, personal, claims, duplicate_id, keep)


@router.post("/duplicates/{duplicate_id}/merge")
async def merge(
    duplicate_id: DuplicateId, given: MergeOrder, session: Session, personal: Personal, claims: Importer
) -> MergePreview:
    """合并 · merge as previewed; the merged record stays and can be taken back."""
    return await service.merge(session, personal, claims, duplicate_id, given)


@router.post("/duplicates/{duplicate_id}/unmerge")
async def unmerge(
    duplicate_id: DuplicateId, session: Session, personal: Personal, claims: Importer
) -> MergeDone:
    """撤销合并 · both records say again what they said; later edits stay and are named."""
    return await service.unmerge(session, personal, claims, duplicate_id)


@router.post("/duplicates/{duplicate_id}/dismiss")
async def dismiss(
    duplicate_id: DuplicateId, given: DismissOrder, session: Session, claims: Importer
) -> DuplicateRow:
    """不是同一个 · note that the two are not one, with the reason."""
    return await service.dismiss(session, claims, duplicate_id, given)
