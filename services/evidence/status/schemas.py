"""The state of sealing on the wire."""

from typing import Any, Literal

from pydantic import BaseModel, Field

State = Literal["ok", "warn", "bad"]


class Part(BaseModel):
    """One thing sealing rests on: its state, one line about it in each language, and the figures."""

    name: str
    zh: str
    en: str
    state: State
    line_zh: str
    line_en: str
    facts: dict[str, Any] = Field(default_factory=dict)


class EvidenceStatus(BaseModel):
    """The whole: as bad as its worst part."""

    status: State
    checked_at: str
    parts: list[Part]
