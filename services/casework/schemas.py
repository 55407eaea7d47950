"""Shapes that several nouns of casework share on the wire."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

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
Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_printable)]
SearchText = Annotated[str, StringConstraints(max_length=100), AfterValidator(_printable)]


class ListQuery(BaseModel):
    """What every list takes: a search text, a state, where to go on, how many rows."""

    q: SearchText | None = None
    state: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,30}$")] | None = None
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


class TransitionIn(BaseModel):
    """One step asked for. `version` is the one the caller saw; a stale one is refused with 409."""

    action: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,30}$")]
    version: int = Field(ge=1)
    org_code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,40}$")] | None = None
    reason: Annotated[Text, Field(max_length=2000)] | None = None


class ActionField(BaseModel):
    """A value a step takes."""

    name: str
    zh: str
    en: str
    kind: str
    required: bool


class ActionOut(BaseModel):
    """A step this caller can take now."""

    action: str
    zh: str
    en: str
    target: str
    article: str
    fields: list[ActionField]


class HistoryOut(BaseModel):
    """One step that was taken."""

    seq: int
    action: str
    zh: str
    en: str
    from_state: str | None
    from_zh: str | None
    to_state: str
    to_zh: str
    actor: str
    org_code: str
    org_name: str
    reason: str | None
    details: dict[str, Any]
    at: Instant


class EvidenceRef(BaseModel):
    """An evidence item as it was when attached: its number and digests, never rewritten."""

    model_config = ConfigDict(from_attributes=True)

    evidence_id: str
    evidence_no: str | None
    title: str | None
    outcome: str | None
    sha256: str | None
    sm3: str | None
    attached_at: Instant
