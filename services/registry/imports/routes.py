"""HTTP of imports."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from services.common.database import Session
from services.common.identity import Claims, require
from services.common.paging import Page
from services.common.wire import Id, ListQuery
from services.registry.imports import service
from services.registry.imports.schemas import CsvUpload, ImportOut, ImportRow, SourceField

router = APIRouter(tags=["导入 imports"])


@router.post("/imports", status_code=201)
async def import_shops(
    request: Request,
    file: CsvUpload,
    claims: Annotated[Claims, Depends(require("registry:write"))],
    source: SourceField = "manual-csv",
) -> ImportOut:
    """Import a CSV of shops (one row a shop) into the caller's region; row errors do not stop the rest."""
    return await service.import_shops(
        request.app.state.db, claims, stream=file.file, filename=file.filename or "", source=source
    )


@router.get("/imports")
async def list_imports(
    session: Session,
    claims: Annotated[Claims, Depends(require("registry:read"))],
    query: Annotated[ListQuery, Query()],
) -> Page[ImportRow]:
    """Imports of the caller's region, newest first."""
    return await service.list_imports(session, claims, query)


@router.get("/imports/{import_id}")
async def get_import(
    import_id: Id, session: Session, claims: Annotated[Claims, Depends(require("registry:read"))]
) -> ImportOut:
    """One import with its warnings and row errors."""
    return await service.get_import(session, claims, import_id)
