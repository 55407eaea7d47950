"""Searches on the wire: what every list of the registry is filtered by, and its facets."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from services.common.paging import decode_cursor, invalid_cursor
from services.common.wire import ListQuery
from services.registry.schemas import RegionCode

Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]


class SearchQuery(ListQuery):
    """Filters that subjects and presences share.

    region: a division and what lies below it; status: without it all but merged ones; days begin in China.
    """

    region: RegionCode | None = None
    status: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,20}$")] | None = None
    tag: int | None = Field(None, ge=1, le=2**31 - 1)
    source: Word | None = None
    risk_min: int | None = Field(None, ge=0, le=100)
    inspected: Literal["never"] | None = None
    inspected_since: date | None = None
    not_inspected_since: date | None = None

    @property
    def before(self) -> int | None:
        """Number of the last row seen. Raises Problem 422 `paging.cursor_invalid` for any other cursor."""
        if not self.cursor:
            return None
        seen = decode_cursor(self.cursor)[0]
        if not isinstance(seen, int) or isinstance(seen, bool) or not 0 <= seen < 2**63:
            raise invalid_cursor()
        return seen


class Facet(BaseModel):
    """One value of a facet and how many of the rows looked at have it."""

    value: str
    count: int


class Facets(BaseModel):
    """How the matches are spread. `capped`: counts are of the newest ones only (`total` of them).

    facets: by name (region: children of the area asked for; channel, platform, kind, status, claim, tag),
    most frequent first.
    """

    total: int
    capped: bool
    facets: dict[str, list[Facet]]
