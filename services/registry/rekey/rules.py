"""换钥规则 which columns hold sealed values, and about what each is sealed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values; `about`: the column that names the row they are sealed for."""

    table: str
    column: str
    about: str


# Whoever adds a column of sealed values adds it here; a test compares this with the tables' bytea columns.
SEALED: Final = (
    SealedColumn("subjects", "personal", "id"),
    SealedColumn("presences", "personal", "id"),
    SealedColumn("identifiers", "value", "presence_no"),
    SealedColumn("changes", "sealed", "object_id"),
    SealedColumn("merges", "snapshot", "id"),
    SealedColumn("link_exchanges", "sealed", "id"),
    SealedColumn("link_exchange_requests", "sealed", "id"),
    SealedColumn("link_exchange_comparisons", "hashes", "message_id"),
    SealedColumn("saved_searches", "words", "id"),
)
# Retired data keys are destroyed after this many hours: whatever still seals with one has ended by then.
GRACE_HOURS: Final = 24
