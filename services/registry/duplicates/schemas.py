"""Duplicates on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from services.common.paging import decode_cursor, invalid_cursor
from services.common.wire import Id, Instant, Text
from services.registry.duplicates.rules import DuplicateRule, DuplicateState, DuplicateType, MergeChoice


class DuplicateQuery(BaseModel):
    """Filters of the list."""

    object_type: DuplicateType | None = None
    state: DuplicateState = DuplicateState.OPEN
    reason: DuplicateRule | None = None
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


class DuplicateReason(BaseModel):
    """Why two records may be one."""

    code: DuplicateRule
    zh: str
    en: str


class DuplicateSide(BaseModel):
    """One of the two records."""

    id: str
    name: str
    licence: str | None
    source: str
    org_code: str
    region_code: str
    status: str
    updated_at: Instant


class DuplicateRow(BaseModel):
    """A proposal in the list."""

    id: str
    object_type: DuplicateType
    first: DuplicateSide
    second: DuplicateSide
    reasons: list[DuplicateReason]
    score: int
    state: DuplicateState
    found_at: Instant
    decided_at: Instant | None
    decided_by_name: str | None
    note: str | None


class MergeField(BaseModel):
    """One field of the preview; personal values are masked."""

    field: str
    field_zh: str
    field_en: str
    personal: bool
    kept: Any
    other: Any
    result: Any
    conflict: bool
    choices: list[MergeChoice]
    choice: MergeChoice


class MergeDone(BaseModel):
    """A merge that stands or was taken back. `kept_edits`: fields changed since, which stay as they are."""

    id: str
    kept_id: str
    merged_id: str
    at: Instant
    by_name: str
    undone_at: Instant | None
    undone_by_name: str | None
    kept_edits: list[str] = []


class MergePreview(BaseModel):
    """What a merge would do: which record stays, every field, what moves. `version` names this state."""

    duplicate: DuplicateRow
    keep: str
    version: str
    fields: list[MergeField]
    moves: dict[str, int]
    merge: MergeDone | None


class MergeOrder(BaseModel):
    """An order to merge as previewed."""

    keep: Id
    version: Annotated[str, Field(min_length=64, max_length=64)]
    choices: dict[Annotated[str, Field(max_length=40)], MergeChoice] = Field(
        default_factory=dict, max_length=40
    )


class DismissOrder(BaseModel):
    """Why the two are not one."""

    note: Annotated[Text, Field(max_length=500)]


class DuplicateSearch(BaseModel):
    """How far the authority's search for duplicates is: steps, proposals by rule, new ones among them.

    `capped`: a limit was reached; search again after working them off.
    """

    state: Literal["none", "running", "done", "cancelled", "failed"]
    done: int = 0
    steps: int = 0
    found: dict[DuplicateRule, int] = {}
    new: int = 0
    capped: bool = False
