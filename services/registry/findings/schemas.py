"""Findings on the wire."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from services.common.paging import decode_cursor, invalid_cursor
from services.common.wire import Instant, Text
from services.registry.findings.rules import State


class FoundShop(BaseModel):
    """A shop a finding names."""

    id: str
    name: str
    region_code: str


class FoundOut(BaseModel):
    """One finding as the caller's authority stands to it."""

    id: str
    code: str
    zh: str
    en: str
    kind: int | None
    kind_zh: str | None
    kind_en: str | None
    value_id: str | None = Field(description="for /hubs/{value_id}")
    detail: dict[str, Any]
    shops: list[FoundShop] = Field(description="those of the caller's region")
    shops_elsewhere: int
    raised_at: Instant
    times: int
    cleared_at: Instant | None = Field(description="since when it is no longer so")
    state: State
    state_zh: str
    state_en: str
    note: str
    author_name: str | None
    at: Instant | None


class FindingQuery(BaseModel):
    """Filters of the list."""

    state: State | None = None
    code: str | None = Field(None, max_length=40, pattern=r"^[a-z_]+\.[a-z_]+$")
    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=200)

    @property
    def after(self) -> int | None:
        """Number of the last row seen. Raises Problem 422 `paging.cursor_invalid`."""
        if not self.cursor:
            return None
        seen = decode_cursor(self.cursor)[0]
        if not isinstance(seen, int) or not 0 <= seen < 1 << 63:
            raise invalid_cursor()
        return seen


class FindingStateIn(BaseModel):
    """What the caller's authority did with a finding."""

    state: State
    note: Annotated[Text, Field(max_length=500)] | None = None
