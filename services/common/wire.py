"""Shapes that all services share on the wire: text, ids, instants, the query of a list."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from services.common.paging import decode_cursor, invalid_cursor

_ID: Final = re.compile(r"[0-9A-Z]{26}")


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _printable(value: str) -> str:
    if "\0" in value:
        raise ValueError("NUL is not text")
    return value


Instant = Annotated[datetime, AfterValidator(_in_utc)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_printable)]
SearchText = Annotated[str, StringConstraints(max_length=100), AfterValidator(_printable)]


class ListQuery(BaseModel):
    """What every list takes: a search text, where to go on, how many rows."""

    q: SearchText | None = None
    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=200)

    @property
    def after(self) -> str | None:
        """Id of the last row seen. Raises Problem 422 `paging.cursor_invalid` for a cursor not made here."""
        if not self.cursor:
            return None
        seen = decode_cursor(self.cursor)[0]
        if not isinstance(seen, str) or not _ID.fullmatch(seen):
            raise invalid_cursor()
        return seen
