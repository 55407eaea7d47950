"""Shapes that several nouns of the registry share on the wire."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from services.common.paging import decode_cursor
from services.common.problems import Problem

_ID: Final = re.compile(r"[0-9A-Z]{26}")


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _printable(value: str) -> str:
    if "\0" in value:
        raise ValueError("NUL is not text")
    return value


Instant = Annotated[datetime, AfterValidator(_in_utc)]
RegionCode = Annotated[str, StringConstraints(pattern=r"^\d{6}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_printable)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
SearchText = Annotated[str, StringConstraints(max_length=100), AfterValidator(_printable)]


class ListQuery(BaseModel):
    """What every list takes: a search text, where to go on, how many rows."""

    q: SearchText | None = None
    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=200)

    @property
    def after(self) -> str | None:
        """Id of the last row seen. Raises Problem 422 `paging.cursor_invalid` for a cursor not made here."""
        if not self.cursor:
            return None
        seen = decode_cursor(self.cursor)[0]
        if not isinstance(seen, str) or not _ID.fullmatch(seen):
            raise Problem(
                "paging.cursor_invalid",
                422,
                zh="翻页标记无效",
                en="the paging cursor is not valid",
                todo_zh="请从第一页重新查询",
                todo_en="start again from the first page",
            )
        return seen


class FindingOut(BaseModel):
    """One remark about a value: it warns, nothing was changed."""

    field: str
    code: str
    zh: str
    en: str


class RowFinding(FindingOut):
    """A remark about one row of an imported file (record number, header = 1)."""

    row: int
