"""Checking received reports in the background of the registry; the table says what is to be done."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import structlog

from services.common.clock import utc_now
from services.common.database import Database
from services.common.personal import PersonalDataError
from services.common.recurring import Recurring
from services.registry.findings.rules import Raised
from services.registry.findings.service import clear, raise_findings
from services.registry.identifiers.licences import licence_numbers
from services.registry.imports.reading.inspection import UnreadableError
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.reading.tables import Layout
from services.registry.platform_reports import repository
from services.registry.platform_reports.models import PlatformReport
from services.registry.platform_reports.reading import Row, checked_rows, layout_of
from services.registry.platform_reports.rules import (
    Tally,
    bad,
    before,
    due_on,
    judge,
    period_at,
    rule_for,
)

EVERY_SECONDS: Final = 30.0
CODES: Final = ("platform_report.late", "platform_report.short", "platform_report.false_rows")
MISSING: Final = "platform_report.missing"
_CHUNK: Final = 2_000
_MOST_ERRORS: Final = 1_000
log = structlog.get_logger()


class ReportJobs(Recurring):
    """Checks what was received; a check cut short is done again from the first row, with the same result."""

    def __init__(self, database: Database, files: KeptFiles) -> None:
        super().__init__("platform_reports.jobs", self.run, lambda: EVERY_SECONDS)
        self._database, self._files = database, files

    async def run(self) -> None:
        """Check all received reports, then notice who did not report in time."""
        while True:
            async with self._database.transaction() as session:
                report_id = await repository.take_next(session, utc_now())
            if report_id is None:
                break
            await self._check(report_id)
        await self.notice_missing()

    async def notice_missing(self) -> int:
        """Raise a finding for each platform that reported last time and not this time; gives how many."""
        today = utc_now().date()
        period = period_at(today)
        rule = rule_for(period) if period else None
        last = before(period) if period else None
        if not period or not rule or not last or today <= due_on(period, rule):
            return 0
        async with self._database.transaction() as session:
            late = await repository.overdue(session, period, last)
            found = [
                Raised(
                    MISSING,
                    _key(row.org_code, row.platform, period),
                    regions=[row.region_code],
                    detail={"platform": row.platform, "period": period, "last": row.rows},
                )
                for row in late
            ]
            return await raise_findings(session, found)

    async def _check(self, report_id: str) -> None:
        try:
            layout, columns = await asyncio.to_thread(layout_of, self._files, report_id)
            tally = Tally()
            rows = checked_rows(self._files, report_id, layout, columns, tally)
            texts, errors = await self._read(report_id, rows, tally)
        except (UnreadableError, OSError, PersonalDataError) as error:
            log.warning("platform_report.failed", report_id=report_id, reason=type(error).__name__)
            await self._fail(report_id, error)
            return
        await self._settle(report_id, layout, tally, texts, errors)

    async def _read(
        self, report_id: str, rows: Iterator[Row], tally: Tally
    ) -> tuple[dict[str, tuple[str, str]], list[dict[str, Any]]]:
        texts: dict[str, tuple[str, str]] = {}
        errors: list[dict[str, Any]] = []
        while chunk := await asyncio.to_thread(lambda: list(islice(rows, _CHUNK))):
            for row in chunk:
                texts.update({one.code: (one.zh, one.en) for one in row.found if one.code not in texts})
            async with self._database.transaction() as session:
                report = await repository.by_id(session, report_id)
                differing = await _differing(session, report, chunk) if report else []
                await repository.progress(session, report_id, tally.rows, utc_now())
            tally.differs(len(differing))
            errors += [{"row": row.number, "code": "licence.differs"} for row in differing]
        if errors:
            one = bad("licence.differs")
            texts[one.code] = (one.zh, one.en)
        return texts, errors[:_MOST_ERRORS]

    async def _settle(
        self,
        report_id: str,
        layout: Layout,
        tally: Tally,
        texts: dict[str, tuple[str, str]],
        errors: list[dict[str, Any]],
    ) -> None:
        async with self._database.transaction() as session:
            report = await repository.by_id(session, report_id)
            if report is None:
                return
            rule = rule_for(report.period)
            last = await repository.last_rows(
                session, report.org_code, report.platform, before(report.period)
            )
            known = await repository.known_shops(session, report.region_code, report.platform)
            found = judge(rule, tally, late=report.late, last_rows=last, known=known) if rule else {}
            report.state, report.updated_at = "checked", utc_now()
            report.encoding, report.done = layout.encoding, tally.rows
            report.rows, report.bad_rows = tally.rows, tally.bad_rows
            report.last_rows, report.known_shops = last, known
            report.remarks = {
                code: {"rows": count, "zh": texts[code][0], "en": texts[code][1]}
                for code, count in tally.codes.most_common()
            }
            report.errors, report.findings = errors, list(found)
            await session.flush()
            key = _key(report.org_code, report.platform, report.period)
            told = {"platform": report.platform, "period": report.period, "report_id": report.id}
            await raise_findings(
                session,
                [
                    Raised(code, key, regions=[report.region_code], detail={**told, **detail})
                    for code, detail in found.items()
                ],
            )
            # A report sent anew, and in order, settles what the earlier one gave rise to.
            for code in (*(code for code in CODES if code not in found), MISSING):
                await clear(session, code, [key])

    async def _fail(self, report_id: str, error: Exception) -> None:
        told = (
            f"{error.zh} · {error.en}" if isinstance(error, UnreadableError) else "文件不能读取 · unreadable"
        )
        async with self._database.transaction() as session:
            report = await repository.by_id(session, report_id)
            if report is not None:
                report.state, report.failure, report.updated_at = "failed", told, utc_now()


def _key(org_code: str, platform: str, period: str) -> str:
    return f"{org_code}:{period}:{platform}"[:120]


async def _differing(session: Any, report: PlatformReport, chunk: list[Row]) -> list[Row]:
    """Rows that give another licence number than the registry has for the shop."""
    given = {
        row.values["native_id"]: row
        for row in chunk
        if row.values.get("native_id") and row.values.get("licence")
    }
    known = await repository.licences(session, report.region_code, report.platform, list(given))
    return [
        row
        for native_id, row in given.items()
        if native_id in known
        and not {norm for one in known[native_id] for norm in licence_numbers(one)}
        & set(licence_numbers(row.values["licence"]))
    ]
