"""Cases on the wire."""

from pydantic import BaseModel

from services.casework.deadlines.schemas import DeadlineOut
from services.casework.schemas import ActionOut, EvidenceRef, HistoryOut
from services.common.wire import Instant


class CaseRow(BaseModel):
    """A case in a list."""

    id: str
    case_no: str
    clue_id: str
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
    due_at: Instant | None
    overdue: bool
    filed_by_name: str
    filed_at: Instant
    updated_at: Instant


class CaseOut(CaseRow):
    """One case: facts, evidence, history, and what this caller can do now."""

    closed_at: Instant | None
    deadline: DeadlineOut | None
    evidence_ids: list[str]
    evidence: list[EvidenceRef]
    history: list[HistoryOut]
    actions: list[ActionOut]
