"""Imports on the wire."""

from typing import Annotated

from fastapi import File, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.common.wire import Instant
from services.registry.schemas import RowFinding

SourceName = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[\w\-. ]{1,60}$")]
CsvUpload = Annotated[
    UploadFile, File(description="CSV: id,name,phone,qq,wechat,address,licence,icp,platform")
]
SourceField = Annotated[
    SourceName, Form(description="来源名称；同一来源同一 id 再次导入即更新 · the list's name")
]


class ImportRow(BaseModel):
    """One import in the list."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    source: str
    filename: str
    encoding: str
    sha256: str
    state: str
    rows: int
    created: int
    updated: int
    unchanged: int
    warning_count: int
    error_count: int
    org_code: str
    region_code: str
    created_at: Instant
    finished_at: Instant | None


class ImportOut(ImportRow):
    """Result of one import; the first 1,000 warnings and errors, exact counts beside."""

    warnings: list[RowFinding] = Field(default_factory=list)
    errors: list[RowFinding] = Field(default_factory=list)
