"""HTTP of platform reports."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse

from services.common.database import Session
from services.common.paging import Page
from services.common.wire import Id
from services.registry.guards import Importer, Reader
from services.registry.imports.reading.kept import KeptFiles
from services.registry.platform_reports import receipts, service
from services.registry.platform_reports.schemas import (
    Period,
    PeriodField,
    PlatformField,
    PlatformReportOut,
    PlatformReportRow,
    ReportQuery,
    ReportReceiptIn,
    ReportReceiptKey,
    ReportReceiptOut,
    ReportsDue,
    Upload,
)
from services.registry.platform_reports.tasks import ReportJobs

router = APIRouter(tags=["平台报送 platform reports"])


def _files(request: Request) -> KeptFiles:
    files: KeptFiles = request.app.state.report_files
    return files


@router.get("/platform-reports")
async def list_reports(
    session: Session, claims: Reader, query: Annotated[ReportQuery, Query()]
) -> Page[PlatformReportRow]:
    """Half-yearly reports of platforms to the caller's region, newest first."""
    return await service.list_reports(session, claims, query)


@router.post("/platform-reports", status_code=201)
async def receive(
    request: Request, file: Upload, platform: PlatformField, period: PeriodField, claims: Importer
) -> PlatformReportOut:
    """接收报送 · keep a report as received and give the signed receipt; the same file gets the first one."""
    state = request.app.state
    report = await service.receive(
        state.db,
        _files(request),
        state.settings,
        claims,
        stream=file.file,
        filename=file.filename or "report",
        platform=platform,
        period=period,
    )
    jobs: ReportJobs = state.report_jobs
    jobs.wake()
    return report


@router.get("/platform-reports/due")
async def due(session: Session, claims: Reader, period: Period | None = None) -> ReportsDue:
    """应报平台 · who is expected to report for a period, and who did."""
    return await service.due(session, claims, period)


@router.get("/platform-reports/receipt-key")
async def receipt_key(request: Request, _: Reader) -> ReportReceiptKey:
    """The public key with which anybody checks a receipt, without us."""
    keyid, pem = receipts.public_key(request.app.state.settings)
    return ReportReceiptKey(keyid=keyid, pem=pem)


@router.post("/platform-reports/receipt-check")
async def check_receipt(
    request: Request, given: ReportReceiptIn, session: Session, claims: Reader
) -> ReportReceiptOut:
    """核验回执 · whether a receipt is ours and the report it names is kept."""
    return await service.check_receipt(session, request.app.state.settings, claims, given)


@router.get("/platform-reports/{report_id}")
async def get_report(report_id: Id, session: Session, claims: Reader) -> PlatformReportOut:
    """One report: counts, what is doubtful, the receipt."""
    return await service.get_report(session, claims, report_id)


@router.get("/platform-reports/{report_id}/receipt", response_class=JSONResponse)
async def get_receipt(report_id: Id, session: Session, claims: Reader) -> JSONResponse:
    """The signed receipt alone, to hand to the platform."""
    report = await service.get_report(session, claims, report_id)
    name = {"Content-Disposition": f'attachment; filename="receipt-{report_id}.json"'}
    return JSONResponse(report.receipt, headers=name)


@router.get("/platform-reports/{report_id}/errors", response_class=StreamingResponse)
async def get_errors(
    report_id: Id, request: Request, session: Session, claims: Importer
) -> StreamingResponse:
    """The rows something is to be said of, as CSV to send back; none of their values stands in it."""
    rows = await service.error_file(session, _files(request), claims, report_id)
    name = {"Content-Disposition": f'attachment; filename="errors-{report_id}.csv"'}
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=name)


@router.get("/platform-reports/{report_id}/original", response_class=StreamingResponse)
async def get_original(
    report_id: Id, request: Request, session: Session, claims: Importer
) -> StreamingResponse:
    """The file as received; that it was taken out is recorded."""
    name, blocks = await service.original(session, _files(request), claims, report_id)
    header = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return StreamingResponse(blocks, media_type="application/octet-stream", headers=header)
