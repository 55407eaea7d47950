"""Rows of a kept report, read and checked one after another."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.registry.identifiers.rules import Finding
from services.registry.imports.reading.inspection import UnreadableError, inspect, part_of
from services.registry.imports.reading.kept import KeptFiles
from services.registry.imports.reading.tables import OVERLONG, UNCLOSED, Layout, records
from services.registry.platform_reports.rules import COLUMNS, REQUIRED, Tally, bad, check_row, columns_of

_MOST_CHARACTERS = 2_000
_MARKS = frozenset({OVERLONG, UNCLOSED})


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number in the file (header = 1), what it says by field, what is to be said of it."""

    number: int
    values: dict[str, str]
    found: list[Finding]


def layout_of(files: KeptFiles, report_id: str) -> tuple[Layout, dict[str, int]]:
    """How a kept report is read: layout, and the position of each field. Raises UnreadableError."""
    seen = inspect(files, report_id)
    columns = columns_of(seen.headers)
    if missing := [name for name in REQUIRED if name not in columns]:
        zh, en = (", ".join(names) for names in zip(*(COLUMNS[name][:2] for name in missing), strict=True))
        raise UnreadableError("platform_report.columns", f"找不到列：{zh}", f"Columns not found: {en}")
    return seen.layout, columns


def checked_rows(
    files: KeptFiles, report_id: str, layout: Layout, columns: dict[str, int], tally: Tally
) -> Iterator[Row]:
    """Every row with its findings, counted into `tally`. Raises OSError, PersonalDataError."""
    with files.open(report_id, part_of(layout)) as stream:
        for record in records(stream, layout, layout.header):
            if len(record.cells) == 1 and record.cells[0] in _MARKS:
                yield Row(record.number, {}, tally.take({}, [bad("row.unreadable", "row")]))
                continue
            values = _values(record.cells, columns)
            if values:
                yield Row(record.number, values, tally.take(values, check_row(values)))


def _values(cells: list[str], columns: dict[str, int]) -> dict[str, str]:
    given = {
        name: cells[position].strip()[:_MOST_CHARACTERS].replace("\x00", "")
        for name, position in columns.items()
        if position < len(cells)
    }
    return {name: value for name, value in given.items() if value}
