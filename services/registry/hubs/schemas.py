"""Hubs on the wire."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from services.common.paging import decode_cursor, invalid_cursor
from services.common.wire import Instant, Text
from services.registry.hubs.rules import Ruling
from services.registry.identifiers.kinds import Kind


class HubRow(BaseModel):
    """A value many shops hold; personal ones masked."""

    id: str = Field(description="names the value without telling it")
    kind: int
    kind_zh: str
    kind_en: str
    masked: str
    holders: int = Field(description="shops of all regions that hold it")
    here: int = Field(description="shops of the caller's region, counted to 1,000")
    here_capped: bool
    hub: bool
    why_zh: str
    why_en: str
    reason: dict[str, Any] = Field(description="what the test counted, or whose ruling it was")
    decided_at: Instant | None
    ruled: Ruling | None


class RulingOut(BaseModel):
    """A ruling on record; `live` marks the one that counts."""

    id: str
    ruling: Ruling
    zh: str
    en: str
    reason: str
    author_name: str
    org_code: str
    at: Instant
    live: bool


class Holder(BaseModel):
    """A shop of the caller's region that holds the value."""

    id: str
    name: str
    platform: str | None
    region_code: str
    masked: str
    first_seen: Instant
    last_seen: Instant


class ValueChange(BaseModel):
    """When a value began or ceased to be a hub, how many pairs of shops that unlinked or linked, and why."""

    at: Instant
    hub: bool
    holders: int
    pairs: int
    why_zh: str
    why_en: str


class HubOut(HubRow):
    """A value in full: its raw forms (masked), its holders here, its rulings, who may rule."""

    forms: list[str]
    shops: list[Holder]
    rulings: list[RulingOut]
    changes: list[ValueChange]
    may_rule: bool
    ruling_region: str = Field(description="the smallest division that holds all its shops")


class HubQuery(BaseModel):
    """Filters of the list of hubs."""

    kind: Kind | None = None
    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=200)

    @property
    def after(self) -> tuple[int, int, int] | None:
        """(holders, kind, key) of the last row seen. Raises Problem 422 `paging.cursor_invalid`."""
        if not self.cursor:
            return None
        seen = decode_cursor(self.cursor)
        if len(seen) != 3 or not all(isinstance(one, int) and -(1 << 63) <= one < 1 << 63 for one in seen):
            raise invalid_cursor()
        return seen[0], seen[1], seen[2]


class RulingIn(BaseModel):
    """An officer's word on a value."""

    ruling: Ruling
    reason: Annotated[Text, Field(max_length=500)]
