"""Use cases of platform reports: receiving with a receipt, showing, checking a receipt, who has to report."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import IO

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page, encode_cursor
from services.common.personal import PersonalDataError
from services.common.problems import Problem, not_found
from services.common.settings import Settings
from services.registry.findings.rules import label
from services.registry.imports.reading.inspection import UnreadableError
from services.registry.imports.reading.kept import ORIGINAL, KeptFiles
from services.registry.imports.receiving import keep
from services.registry.imports.rules import neutralise
from services.registry.platform_reports import receipts, repository
from services.registry.platform_reports.models import PlatformReport
from services.registry.platform_reports.reading import Row, checked_rows, layout_of
from services.registry.platform_reports.rules import (
    BAD,
    COLUMNS,
    ReportRule,
    Tally,
    before,
    due_on,
    messages,
    period_at,
    rule_for,
)
from services.registry.platform_reports.schemas import (
    DuePlatform,
    PlatformReportFinding,
    PlatformReportOut,
    PlatformReportRow,
    RemarkCount,
    ReportQuery,
    ReportReceiptIn,
    ReportReceiptOut,
    ReportRuleOut,
    ReportsDue,
)

_BLOCK = 1 << 20
_ROWS = 2_000
_NAME = 255


async def receive(
    database: Database,
    files: KeptFiles,
    settings: Settings,
    claims: Claims,
    *,
    stream: IO[bytes],
    filename: str,
    platform: str,
    period: str,
) -> PlatformReportOut:
    """Keep a platform's report as received and give the receipt; its rows are checked in the background.

    The same file for the same platform and period gives the receipt it was given first. Raises Problem 422
    `platform_report.period`, `import.empty`, 413 `import.too_large`, 507 `storage.full`.
    """
    rule = _rule(period)
    report_id = new_id()
    kept = await asyncio.to_thread(keep, files, report_id, stream)
    try:
        if kept.bytes == 0:
            raise Problem("import.empty", 422, zh="文件是空的", en="the file is empty")
        async with database.transaction() as session:
            known = await repository.same_file(session, claims, platform, period, kept.sha256)
            if known is not None:
                files.remove(report_id)
                return _full(known, duplicate=True)
            report = _new(
                settings, claims, rule, report_id, filename, platform, period, kept.sha256, kept.bytes
            )
            await repository.add(session, report)
            await record(
                session,
                claims,
                event="platform_report.received",
                object_type="platform_report",
                object_id=report_id,
                after={"platform": platform, "period": period, "sha256": kept.sha256, "late": report.late},
            )
            return _full(report)
    except IntegrityError:  # the same file came twice at the same moment: the first one has the receipt
        files.remove(report_id)
        async with database.transaction() as session:
            known = await repository.same_file(session, claims, platform, period, kept.sha256)
            if known is None:
                raise
            return _full(known, duplicate=True)
    except BaseException:
        files.remove(report_id)
        raise


def _rule(period: str) -> ReportRule:
    rule = rule_for(period)
    if rule is None or period > (period_at(utc_now().date()) or ""):
        raise Problem(
            "platform_report.period",
            422,
            zh="该期不是已开始的报送期（每年1月和7月）",
            en="no report is due for this period (January and July of each year)",
            todo_zh="请选择报送期，如2026-07",
            todo_en="choose a period such as 2026-07",
        )
    return rule


def _new(
    settings: Settings,
    claims: Claims,
    rule: ReportRule,
    report_id: str,
    filename: str,
    platform: str,
    period: str,
    sha256: str,
    size: int,
) -> PlatformReport:
    now, due = utc_now(), due_on(period, rule)
    told = {
        "report_id": report_id,
        "platform": platform,
        "period": period,
        "filename": filename[-_NAME:],
        "sha256": sha256,
        "size": size,
        "received_at": now,
        "due_on": due,
        "late": now.date() > due,
        "org_code": claims.org,
        "org_name": claims.org_name,
        "law": rule.law,
        "article": rule.article,
    }
    return PlatformReport(
        **{name: told[name] for name in ("platform", "period", "filename", "sha256", "size")},
        id=report_id,
        received_at=now,
        due_on=due,
        late=now.date() > due,
        rule=_rule_out(rule).model_dump(),
        state="received",
        done=0,
        remarks={},
        errors=[],
        findings=[],
        receipt=dict(receipts.issue(settings, told)),
        org_code=claims.org,
        region_code=claims.region,
        created_by=claims.sub,
        created_at=now,
        updated_at=now,
    )


async def list_reports(session: AsyncSession, claims: Claims, query: ReportQuery) -> Page[PlatformReportRow]:
    """One page of the reports of the caller's region, newest first."""
    rows = await repository.page(session, claims, query)
    listed = rows[: query.limit]
    return Page(
        items=[PlatformReportRow.model_validate(_common(row)) for row in listed],
        next_cursor=encode_cursor([listed[-1].id]) if len(rows) > query.limit else None,
    )


async def get_report(session: AsyncSession, claims: Claims, report_id: str) -> PlatformReportOut:
    """One report with its receipt. Raises Problem 404 when not visible."""
    return _full(await _visible(session, claims, report_id))


async def _visible(session: AsyncSession, claims: Claims, report_id: str) -> PlatformReport:
    report = await repository.visible(session, claims, report_id)
    if report is None:
        raise not_found("平台报送", "platform report")
    return report


async def due(session: AsyncSession, claims: Claims, period: str | None) -> ReportsDue:
    """Who is expected to report for a period (the current one): who did before, and who has many shops.

    Raises Problem 422 `platform_report.period`.
    """
    period = period or period_at(utc_now().date()) or ""
    rule = _rule(period)
    known = await repository.known_platforms(session, claims.region, rule.least_known)
    last_period = before(period)
    last = await repository.of_period(session, claims, last_period) if last_period else {}
    came = await repository.of_period(session, claims, period)
    day = due_on(period, rule)
    names = sorted({*known, *last, *came}, key=lambda name: (name in came, -known.get(name, 0), name))
    over = utc_now().date() > day
    return ReportsDue(
        period=period,
        due_on=day,
        rule=_rule_out(rule),
        platforms=[
            DuePlatform(
                platform=name,
                known_shops=known.get(name, 0),
                last_rows=last[name].rows if name in last else None,
                state=(
                    ("late" if came[name].late else "received")
                    if name in came
                    else ("missing" if over else "waiting")
                ),
                report_id=came[name].id if name in came else None,
            )
            for name in names
        ],
    )


async def check_receipt(
    session: AsyncSession, settings: Settings, claims: Claims, given: ReportReceiptIn
) -> ReportReceiptOut:
    """Whether a receipt was signed here, and whether the report it names is kept as it says."""
    told = receipts.read(settings, given.receipt)
    if told is None:
        return ReportReceiptOut(valid=False, kept=False, told=None)
    report = await repository.visible(session, claims, str(told.get("report_id")))
    return ReportReceiptOut(
        valid=True, kept=report is not None and report.sha256 == told.get("sha256"), told=told
    )


async def error_file(
    session: AsyncSession, files: KeptFiles, claims: Claims, report_id: str
) -> AsyncIterator[bytes]:
    """The rows something is to be said of, as CSV: number, fields, codes, messages; no value of the row.

    Made anew from the kept file, so that it is whole however many there are. Raises Problem 404, 409
    `platform_report.unread`.
    """
    report = await _visible(session, claims, report_id)
    differing = {entry["row"]: entry for entry in report.errors}
    try:
        layout, columns = await asyncio.to_thread(layout_of, files, report_id)
    except (UnreadableError, OSError, PersonalDataError) as error:
        raise _unread() from error
    await record(
        session,
        claims,
        event="platform_report.errors_exported",
        object_type="platform_report",
        object_id=report_id,
    )
    return _error_rows(checked_rows(files, report_id, layout, columns, Tally()), differing)


async def _error_rows(rows: Iterator[Row], differing: dict[int, dict[str, str]]) -> AsyncIterator[bytes]:
    yield "\ufeff行号 row,字段 field,代码 code,说明,remark\r\n".encode()
    while chunk := await asyncio.to_thread(lambda: list(islice(rows, _ROWS))):
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        for row in chunk:
            if row.found:
                fields = " ".join(dict.fromkeys(COLUMNS.get(f.field, (f.field,))[0] for f in row.found))
                codes = " ".join(one.code for one in row.found)
                cells = [str(row.number), fields, codes, *messages(row.found)]
                writer.writerow([neutralise(cell) for cell in cells])
            if row.number in differing:
                zh, en = BAD["licence.differs"]
                writer.writerow([row.number, COLUMNS["licence"][0], "licence.differs", zh, en])
        if buffer.tell():
            yield buffer.getvalue().encode()


async def original(
    session: AsyncSession, files: KeptFiles, claims: Claims, report_id: str
) -> tuple[str, Iterator[bytes]]:
    """`(file name, blocks)` of a report as received; that it was taken out is recorded. Raises 404, 409."""
    report = await _visible(session, claims, report_id)
    if not files.has(report_id, ORIGINAL):
        raise _unread()
    await record(
        session,
        claims,
        event="platform_report.original_exported",
        object_type="platform_report",
        object_id=report_id,
    )
    return report.filename, _blocks(files, report_id)


def _blocks(files: KeptFiles, report_id: str) -> Iterator[bytes]:
    with files.open(report_id, ORIGINAL) as stream:
        while block := stream.read(_BLOCK):
            yield block


def _unread() -> Problem:
    return Problem(
        "platform_report.unread",
        409,
        zh="报送文件不能读取",
        en="the report's file cannot be read",
        todo_zh="请平台按模板重新报送",
        todo_en="ask the platform to send it again as the template says",
    )


def _rule_out(rule: ReportRule) -> ReportRuleOut:
    return ReportRuleOut(law=rule.law, article=rule.article, penalty=rule.penalty, verified=rule.verified)


def _common(report: PlatformReport) -> dict[str, object]:
    names = [name for name in PlatformReportRow.model_fields if name != "findings"]
    found = [
        PlatformReportFinding(code=code, zh=label(code)[0], en=label(code)[1]) for code in report.findings
    ]
    return {**{name: getattr(report, name) for name in names}, "findings": found}


def _full(report: PlatformReport, *, duplicate: bool = False) -> PlatformReportOut:
    names = ("sha256", "size", "encoding", "last_rows", "known_shops", "failure", "rule", "receipt")
    more = {name: getattr(report, name) for name in names}
    counts = [_count(code, told) for code, told in report.remarks.items()]
    return PlatformReportOut.model_validate(
        {**_common(report), **more, "remarks": counts, "duplicate": duplicate}
    )


def _count(code: str, told: dict[str, object] | int) -> RemarkCount:
    values = told if isinstance(told, dict) else {"rows": told, "zh": code, "en": code}
    return RemarkCount.model_validate({"code": code, "bad": code in BAD, **values})
