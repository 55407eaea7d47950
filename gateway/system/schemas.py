"""What the state of the platform looks like on the wire."""

from typing import Any, Literal

from pydantic import BaseModel

State = Literal["ok", "degraded", "down"]


class Part(BaseModel):
    """One part: its state and one line about it in each language."""

    name: str
    zh: str
    en: str
    state: State
    line_zh: str
    line_en: str
    ms: float | None = None
    detail: dict[str, Any] = {}


class SystemState(BaseModel):
    """The whole: `ok` only when every part is."""

    status: Literal["ok", "degraded"]
    line_zh: str
    line_en: str
    checked_at: str
    parts: list[Part]
