"""Platform reports on the wire."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import File, Form, UploadFile
from pydantic import BaseModel, Field, StringConstraints

from services.common.wire import Instant, ListQuery
from services.registry.platform_reports.rules import PERIOD

Upload = Annotated[UploadFile, File(description="CSV（UTF-8、UTF-16、GB18030、Big5）或Excel · CSV or Excel")]
Period = Annotated[str, StringConstraints(pattern=f"^{PERIOD.pattern}$")]
PlatformName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
PeriodField = Annotated[Period, Form(description="报送期，如2026-01 · the month the report is due in")]
PlatformField = Annotated[PlatformName, Form(description="平台名称 · the platform's name")]
State = Literal["received", "checking", "checked", "failed"]


class ReportQuery(ListQuery):
    """Filters of the list."""

    period: Period | None = None


class RemarkCount(BaseModel):
    """How many rows something is to be said of."""

    code: str
    zh: str
    en: str
    rows: int
    bad: bool


class ReportRuleOut(BaseModel):
    """The rule a report was received under. `verified`: somebody compared it with the text of the law."""

    law: str
    article: str
    penalty: str
    verified: bool


class PlatformReportFinding(BaseModel):
    """What is doubtful about a report."""

    code: str
    zh: str
    en: str


class PlatformReportRow(BaseModel):
    """A report in the list."""

    id: str
    platform: str
    period: str
    filename: str
    state: State
    received_at: Instant
    due_on: date
    late: bool
    done: int
    rows: int | None
    bad_rows: int | None
    findings: list[PlatformReportFinding]
    org_code: str


class PlatformReportOut(PlatformReportRow):
    """A report in full, with its receipt (a DSSE envelope). `duplicate`: this very file was there already."""

    sha256: str
    size: int
    encoding: str | None
    remarks: list[RemarkCount]
    last_rows: int | None
    known_shops: int | None
    failure: str | None
    rule: ReportRuleOut
    receipt: dict[str, Any]
    duplicate: bool = False


class DuePlatform(BaseModel):
    """A platform that is expected to report for a period, and how far it is."""

    platform: str
    known_shops: int
    last_rows: int | None
    state: Literal["received", "late", "missing", "waiting"]
    report_id: str | None


class ReportsDue(BaseModel):
    """Who is expected to report for a period."""

    period: str
    due_on: date
    rule: ReportRuleOut
    platforms: list[DuePlatform]


class ReportReceiptIn(BaseModel):
    """A receipt to be checked, as it was handed out."""

    receipt: dict[str, Any] = Field(max_length=20)


class ReportReceiptOut(BaseModel):
    """Whether a receipt is ours, what it says, and whether the report it names is kept here."""

    valid: bool
    kept: bool
    told: dict[str, Any] | None


class ReportReceiptKey(BaseModel):
    """The public key receipts are checked with."""

    algorithm: Literal["ed25519"] = "ed25519"
    keyid: str
    pem: str
