"""Merging the audit records of several services into one list, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.audit.schemas import AuditEntry
from services.common.paging import decode_cursor, encode_cursor
from services.common.problems import Problem

# Further back than any row: the cursor of a source nothing was taken from yet.
START = 2**62
Position = dict[str, int]


@dataclass(frozen=True, slots=True)
class Merged:
    """A page, and where each source stands after it (absent: exhausted)."""

    items: list[AuditEntry]
    position: Position


def merge(found: Mapping[str, list[AuditEntry]], before: Position, limit: int, more: set[str]) -> Merged:
    """The newest `limit` rows of all sources.

    found: each source's rows older than its position, newest first; more: sources that have further rows
    behind. A row taken moves its source's position; rows not taken come again on the next page, none is lost
    or doubled.
    """
    everything = sorted(
        (entry for entries in found.values() for entry in entries),
        key=lambda entry: (entry.at, entry.source, entry.seq),
        reverse=True,
    )
    items = everything[:limit]
    position: Position = {}
    for source, entries in found.items():
        taken = [entry.seq for entry in items if entry.source == source]
        if len(taken) < len(entries) or source in more:
            position[source] = min(taken) if taken else before.get(source, START)
    return Merged(items, position)


def encode(position: Position) -> str | None:
    """The cursor of a position; None when every source is exhausted."""
    flat: list[object] = [value for source in sorted(position) for value in (source, position[source])]
    return encode_cursor(flat) if flat else None


def decode(cursor: str) -> Position:
    """The position in a cursor. Raises Problem 422 `paging.cursor_invalid`."""
    values = decode_cursor(cursor)
    sources, numbers = values[::2], values[1::2]
    if len(sources) != len(numbers) or not all(isinstance(s, str) for s in sources) or not all(
        isinstance(n, int) and 0 <= n <= START for n in numbers
    ):  # fmt: skip
        raise Problem("paging.cursor_invalid", 422, zh="翻页标记无效", en="the paging cursor is not valid")
    return dict(zip(sources, numbers, strict=True))
