"""Judgements on the wire."""

from typing import Annotated

from pydantic import BaseModel, Field

from services.common.paging import decode_cursor, invalid_cursor
from services.common.wire import Id, Instant, Text
from services.registry.judgements.rules import Verdict

Reason = Annotated[Text, Field(max_length=500)]


class JudgementIn(BaseModel):
    """A judgement of two shops."""

    shop_a: Id
    shop_b: Id
    verdict: Verdict
    reason: Reason = Field(description="依据，不得含个人信息 · the grounds, without personal data")


class JudgedShop(BaseModel):
    """A shop as a judgement names it."""

    id: str
    name: str
    region_code: str


class JudgementOut(BaseModel):
    """One judgement; `live` marks the one of the pair that counts now."""

    id: str
    shop_a: JudgedShop
    shop_b: JudgedShop
    verdict: Verdict
    zh: str
    en: str
    reason: str
    author_name: str
    org_code: str
    at: Instant
    live: bool


class ConflictOut(BaseModel):
    """Judgements that contradict each other; a shop outside the caller's region is left out (null)."""

    pair: tuple[JudgedShop | None, JudgedShop | None]
    path: list[JudgedShop | None]


class JudgedOut(BaseModel):
    """What was entered, and the conflicts it is part of."""

    judgement: JudgementOut
    conflicts: list[ConflictOut]


class JudgementQuery(BaseModel):
    """Filters of the list: a shop, a pair, a verdict; by default only what counts now."""

    shop: Id | None = None
    other: Id | None = None
    verdict: Verdict | None = None
    all: bool = Field(False, description="也列已被取代的 · earlier ones too")
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
