"""Shapes that several nouns of casework share on the wire."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.common import wire
from services.common.wire import Instant, Text


class ListQuery(wire.ListQuery):
    """What the lists of casework take beside the common query: a state."""

    state: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,30}$")] | None = None


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
