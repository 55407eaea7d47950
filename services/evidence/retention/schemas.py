"""Retention as the screens see it."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints


class RetentionRuleOut(BaseModel):
    """The rule that fixes the date; `verified` false: its text has not been compared with the original."""

    category: str
    zh: str
    en: str
    years: int
    law: str
    article: str
    source: str
    verified: bool


class HoldOut(BaseModel):
    """A legal hold: nothing of the item may go, whatever the date."""

    reason: str
    by: dict[str, str]
    at: str


class RetentionOut(BaseModel):
    """How long an item is kept."""

    until: str | None
    rule: RetentionRuleOut | None
    hold: HoldOut | None
    pending: bool = Field(description="true until the store has been told")
    locked: bool = Field(description="whether the store itself refuses deletion (object lock)")


class HoldIn(BaseModel):
    """Why an item is held, or released."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
