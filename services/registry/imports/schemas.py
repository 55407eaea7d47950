"""Imports on the wire."""

from typing import Annotated, Any

from fastapi import File, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.common.wire import Instant
from services.registry.schemas import RowFinding

SourceName = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[\w\-. ]{1,60}$")]
Upload = Annotated[UploadFile, File(description="CSV（UTF-8、UTF-16、GB18030、Big5）或Excel · CSV or Excel")]
SourceField = Annotated[
    SourceName, Form(description="来源名称；同一来源同一编号再次导入即更新 · the list's name")
]


class LayoutOut(BaseModel):
    """How the file is cut into rows; header: number of the header record, 0 for none.

    sure: the encoding is certain or was chosen; else another reading is about as likely.
    """

    encoding: str
    sure: bool = True
    delimiter: str
    header: int
    sheet: str


class LayoutIn(BaseModel):
    """What an officer chooses about reading the file; what is left out is told by the file."""

    encoding: str = ""
    delimiter: str = ""
    header: int = Field(-1, ge=-1, le=40)
    sheet: str = Field("", max_length=100)


class MappingIn(BaseModel):
    """The field of each column, null for a column left out."""

    mapping: list[str | None] = Field(max_length=500)


class UndoIn(BaseModel):
    """leave_built: undo the rest when something was built on some rows."""

    leave_built: bool = False


class ImportRow(BaseModel):
    """One import in the list."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    source: str
    filename: str
    encoding: str
    sha256: str
    bytes: int
    state: str
    state_zh: str
    state_en: str
    rows: int
    rows_total: int
    created: int
    updated: int
    unchanged: int
    doubled: int
    warning_count: int
    error_count: int
    org_code: str
    region_code: str
    created_at: Instant
    finished_at: Instant | None


class Tally(BaseModel):
    """How often one remark was made."""

    code: str
    rows: int


class ChangeSample(BaseModel):
    """One row that would change; personal values masked."""

    id: str
    name: str | None
    fields: list[dict[str, Any]]


class Plan(BaseModel):
    """What a dry run found."""

    rows: int
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    doubled: int = 0
    error_count: int = 0
    warning_count: int = 0
    tallies: dict[str, int] = Field(default_factory=dict)
    samples: list[ChangeSample] = Field(default_factory=list)


class FailureOut(BaseModel):
    """Why an import broke off; `number` stands in the log."""

    code: str
    zh: str
    en: str
    number: str = ""


class Undone(BaseModel):
    """What undoing did, or has done so far."""

    removed: int = 0
    restored: int = 0
    subjects: int = 0
    kept: int = 0
    by_name: str = ""


class ImportOut(ImportRow):
    """One import. progress: 0 to 1 of the work under way; actions: what the caller may do now.

    warnings, errors: the first hundred of each; all of them are in the file of remarks.
    """

    layout: LayoutOut
    headers: list[str]
    mapping: list[str | None]
    tallies: list[Tally]
    plan: Plan | None
    undone: Undone | None
    problem: FailureOut | None
    progress: float
    actions: list[str]
    by_name: str
    warnings: list[RowFinding] = Field(default_factory=list)
    errors: list[RowFinding] = Field(default_factory=list)


class RemarkOut(RowFinding):
    """A remark: severity 2 refused, 1 taken with a warning; value masked where personal."""

    id: str
    severity: int
    source_id: str
    value: str


class Preview(BaseModel):
    """The first rows as the file is read now, personal and unknown columns masked."""

    layout: LayoutOut
    encodings: list[str]
    sheets: list[str]
    headers: list[str]
    samples: list[list[str]]
    mapping: list[str | None]


class FieldOut(BaseModel):
    """A field a column may hold."""

    name: str
    zh: str
    en: str
    several: bool
    required: bool


class SourceOut(BaseModel):
    """A source imported before."""

    source: str
    last_at: Instant
    imports: int


class Kept(BaseModel):
    """Rows something was built on, by reason."""

    reason: str
    zh: str
    en: str
    rows: int
    names: list[str]


class UndoPreview(BaseModel):
    """What undoing would do. newer: a later import of the same source, which must be undone first."""

    removed: int
    restored: int
    kept: list[Kept]
    newer: str | None
