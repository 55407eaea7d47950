"""Clues on the wire."""

from typing import Annotated

from pydantic import BaseModel, Field

from services.casework.deadlines.schemas import DeadlineOut
from services.casework.schemas import ActionOut, EvidenceRef, HistoryOut, ListQuery
from services.common.wire import Id, Instant, Text

MAX_EVIDENCE = 50
WebAddress = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f]+$")]


class ClueIn(BaseModel):
    """A clue to make; every evidence item must be one the caller may see."""

    title: Annotated[Text, Field(max_length=200)]
    violation_code: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")] | None = None
    url: WebAddress | None = None
    evidence_ids: list[Id] = Field(default_factory=list, max_length=MAX_EVIDENCE)
    subject_name: Annotated[Text, Field(max_length=200)] | None = None
    note: Annotated[Text, Field(max_length=4000)] | None = None


class ClueQuery(ListQuery):
    """What the list of clues takes: beside the common query, the organisation it was assigned to."""

    assigned_org: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")] | None = None


class ClueRow(BaseModel):
    """A clue in a list."""

    id: str
    clue_no: str
    title: str
    violation_code: str | None
    url: str | None
    subject_name: str | None
    state: str
    state_zh: str
    state_en: str
    version: int
    org_code: str
    org_name: str
    region_code: str
    assigned_org_code: str | None
    assigned_org_name: str | None
    due_at: Instant | None
    overdue: bool
    created_by_name: str
    created_at: Instant
    updated_at: Instant


class ClueOut(ClueRow):
    """One clue: facts, evidence, history, and what this caller can do now.

    `case_id` is given only to those who may open the case.
    """

    note: str | None
    assigned_at: Instant | None
    signed_at: Instant | None
    case_id: str | None
    case_no: str | None
    deadline: DeadlineOut | None
    evidence_ids: list[str]
    evidence: list[EvidenceRef]
    history: list[HistoryOut]
    actions: list[ActionOut]
