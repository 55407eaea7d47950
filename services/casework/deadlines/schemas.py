"""Limits on the wire."""

from datetime import date

from pydantic import BaseModel, Field

from services.common.wire import Instant


class DeadlineOut(BaseModel):
    """A running limit: the rule it comes from, when it ends, how it stands."""

    rule: str
    zh: str
    en: str
    law: str
    article: str
    verified: bool = Field(description="依据是否已核对原文 · whether the article was read in full")
    last_day: date
    due_at: Instant
    provisional: bool = Field(
        description="所跨年度的节假日通知尚未录入 · a year's holiday notice is not loaded"
    )
    overdue: bool
    working_days_left: int
