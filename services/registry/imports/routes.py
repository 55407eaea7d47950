"""HTTP of imports."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from services.common.database import Session
from services.common.identity import require
from services.common.paging import Page, decode_cursor, encode_cursor
from services.common.wire import Id, ListQuery
from services.registry.guards import Importer, Reader
from services.registry.imports import receiving, repository, service, views
from services.registry.imports.jobs import ImportJobs
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.reading.tables import Layout
from services.registry.imports.schemas import (
    FieldOut,
    ImportOut,
    ImportRow,
    LayoutIn,
    MappingIn,
    Preview,
    RemarkOut,
    SourceField,
    SourceOut,
    UndoIn,
    UndoPreview,
    Upload,
)

router = APIRouter(tags=["导入 imports"])


def _files(request: Request) -> KeptFiles:
    files: KeptFiles = request.app.state.import_files
    return files


def _wake(request: Request) -> None:
    jobs: ImportJobs = request.app.state.imports
    jobs.wake()


@router.post("/imports", status_code=201)
async def upload(
    request: Request, file: Upload, claims: Importer, source: SourceField = "manual-csv"
) -> ImportOut:
    """上传 · keep a list of shops (one row a shop) as received and say what is in it; nothing is taken in
    yet."""
    return await service.receive(
        request.app.state.db,
        _files(request),
        claims,
        stream=file.file,
        filename=file.filename or "",
        source=source,
    )


@router.get("/imports")
async def list_imports(
    session: Session, claims: Reader, query: Annotated[ListQuery, Query()]
) -> Page[ImportRow]:
    """Imports of the caller's region, newest first."""
    return await service.list_imports(session, claims, query)


@router.get("/imports/fields", dependencies=[Depends(require("registry:read"))])
async def list_fields() -> list[FieldOut]:
    """The fields a column may hold."""
    return views.fields_out()


@router.get("/imports/sources")
async def list_sources(session: Session, claims: Reader) -> list[SourceOut]:
    """Sources the caller's organisation imported before, latest first."""
    found = await repository.sources(session, claims)
    return [SourceOut(source=name, last_at=at, imports=times) for name, at, times in found]


@router.get("/imports/{import_id}")
async def get_import(import_id: Id, session: Session, claims: Reader) -> ImportOut:
    """One import: how far it is, what came of it, its first remarks."""
    return await service.get_import(session, claims, import_id)


@router.get("/imports/{import_id}/preview")
async def get_preview(import_id: Id, session: Session, claims: Importer, request: Request) -> Preview:
    """试读 · the first rows as the file is read now; personal and unknown columns are masked."""
    row = await service.own(session, claims, import_id, "describe")
    seen = await asyncio.to_thread(receiving.look, _files(request), import_id, Layout(**row.layout))
    return views.preview(seen, row.mapping)


@router.put("/imports/{import_id}/layout")
async def put_layout(
    import_id: Id, given: LayoutIn, session: Session, claims: Importer, request: Request
) -> Preview:
    """Read the file with another encoding, separator, header line or worksheet."""
    seen = await service.read_anew(session, _files(request), claims, import_id, given)
    row = await service.visible(session, claims, import_id)
    return views.preview(seen, row.mapping)


@router.put("/imports/{import_id}/mapping")
async def put_mapping(import_id: Id, given: MappingIn, session: Session, claims: Importer) -> ImportOut:
    """对应字段 · say which column is what; remembered for the source."""
    return await service.choose(session, claims, import_id, given.mapping)


@router.post("/imports/{import_id}/check", status_code=202)
async def post_check(import_id: Id, session: Session, claims: Importer, request: Request) -> ImportOut:
    """试运行 · go through the whole file and say what would happen; nothing is changed."""
    asked = await service.check(session, claims, import_id)
    _wake(request)
    return asked


@router.post("/imports/{import_id}/start", status_code=202)
async def post_start(import_id: Id, session: Session, claims: Importer, request: Request) -> ImportOut:
    """开始导入 · take the rows in; one that stopped goes on where it was."""
    asked = await service.start(session, claims, import_id)
    _wake(request)
    return asked


@router.post("/imports/{import_id}/cancel", status_code=202)
async def post_cancel(import_id: Id, session: Session, claims: Importer) -> ImportOut:
    """停止 · stop after the rows under way; what is in stays in and can be undone."""
    return await service.cancel(session, claims, import_id)


@router.get("/imports/{import_id}/undo")
async def get_undo(import_id: Id, session: Session, claims: Importer) -> UndoPreview:
    """撤销预览 · what undoing would do, and which rows something was built on."""
    return await service.undo_preview(session, claims, import_id)


@router.post("/imports/{import_id}/undo", status_code=202)
async def post_undo(
    import_id: Id, given: UndoIn, session: Session, claims: Importer, request: Request
) -> ImportOut:
    """撤销 · take the whole import back: rows it made go, values it changed return."""
    asked = await service.undo(session, claims, import_id, leave_built=given.leave_built)
    _wake(request)
    return asked


@router.delete("/imports/{import_id}", status_code=204)
async def delete_import(import_id: Id, session: Session, claims: Importer, request: Request) -> None:
    """Drop a file nothing was taken from."""
    await service.discard(session, claims, import_id)
    _files(request).remove(import_id)


@router.get("/imports/{import_id}/remarks")
async def list_remarks(
    import_id: Id,
    session: Session,
    claims: Reader,
    severity: Annotated[int | None, Query(ge=1, le=2)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[RemarkOut]:
    """Remarks about rows, in the order of the file; severity 2: rows that were refused."""
    row = await service.visible(session, claims, import_id)
    after = int(decode_cursor(cursor)[0]) if cursor else 0
    found = await repository.remarks(session, row.id, severity, after, limit)
    shown = found[:limit]
    return Page(
        items=[views.remark_out(one) for one in shown],
        next_cursor=encode_cursor([shown[-1].seq]) if len(found) > limit else None,
    )


@router.get("/imports/{import_id}/remarks.csv")
async def get_remarks_file(
    import_id: Id, session: Session, claims: Reader, request: Request
) -> StreamingResponse:
    """问题行文件 · all remarks as CSV; personal values masked."""
    row = await service.visible(session, claims, import_id)
    headers = {"content-disposition": f'attachment; filename="import-{row.id}-remarks.csv"'}
    return StreamingResponse(
        views.remarks_csv(request.app.state.db, row.id), media_type="text/csv; charset=utf-8", headers=headers
    )
