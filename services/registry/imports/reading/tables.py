"""Rows of a text file: which separator, which line is the header, and one record after the other.

RFC 4180 with the liberties real lists take. Whatever is wrong with one record costs that record and is said.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import IO, Any, Final

from services.registry.imports.reading.encodings import bom_length

DELIMITERS: Final = (",", "\t", ";", "|", "，")
OVERLONG: Final = "\udcfe"
UNCLOSED: Final = "\udcfd"
"""A record of this one cell stands for a line far too long, or for text behind a quote that never closes."""
# Above this a line or a cell is not read to its end; below it, it costs only its row.
READER_LIMIT: Final = 32 * 1024 * 1024
_PROBE_RECORDS: Final = 30
_PROBE_CHARS: Final = 1 << 20
_HEADER_WITHIN: Final = 10

csv.field_size_limit(READER_LIMIT)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is cut into rows.

    encoding: codec (of the text made from it, for a workbook); delimiter: one character; header: number of
    the header record, 1 for the first, 0 for none; sheet, sheets: the worksheet read and all of them, empty
    for text; sure: the encoding is certain, or was chosen by a person.
    """

    encoding: str
    delimiter: str = ","
    header: int = 1
    sheet: str = ""
    sheets: list[str] = field(default_factory=list)
    sure: bool = True

    def as_json(self) -> dict[str, Any]:
        """For the table of imports."""
        return asdict(self)


@dataclass(slots=True)
class Record:
    """One record: its number in the file (the first is 1), the physical lines it took, its cells."""

    number: int
    lines: int
    cells: list[str]


def records(stream: IO[bytes], layout: Layout, after: int = 0) -> Iterator[Record]:
    """Records behind number `after`, one at a time; empty ones are counted and left out.

    A record that cannot be read comes as one cell OVERLONG or UNCLOSED; what follows it goes on.
    """
    stream.seek(0)
    head = stream.read(4)
    stream.seek(bom_length(head) if layout.encoding.startswith("utf") else 0)
    text = io.TextIOWrapper(stream, layout.encoding, "wangjian-damaged", newline="")
    try:
        yield from _records(text, layout.delimiter, after)
    finally:
        with suppress(ValueError):  # the file was closed before: a run that broke off
            text.detach()


def _records(text: IO[str], delimiter: str, after: int) -> Iterator[Record]:
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    number = lines = 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            cells = [UNCLOSED]
        if cells is None:
            return
        number += 1
        if number > after and any(cells):
            yield Record(number, reader.line_num - lines, cells)
        lines = reader.line_num


def _lines(text: IO[str]) -> Iterator[str]:
    """Lines; one beyond the limit is read past, and a mark stands for it."""
    while line := text.readline(READER_LIMIT):
        if len(line) < READER_LIMIT or line.endswith("\n"):
            yield line
            continue
        while line and not line.endswith("\n"):
            line = text.readline(READER_LIMIT)
        yield OVERLONG + "\n"


def guess_delimiter(stream: IO[bytes], encoding: str) -> str:
    """The separator that cuts the first records into the same number of cells, at least two; else a comma."""
    stream.seek(0)
    head = stream.read(4)
    stream.seek(bom_length(head) if encoding.startswith("utf") else 0)
    text = io.TextIOWrapper(stream, encoding, "wangjian-damaged", newline="")
    try:
        sample = text.read(_PROBE_CHARS)
    finally:
        text.detach()
    return max(DELIMITERS, key=lambda mark: (_fitness(sample, mark), -DELIMITERS.index(mark)))


def _fitness(sample: str, delimiter: str) -> tuple[float, int]:
    found = [record.cells for record in islice(_records(io.StringIO(sample), delimiter, 0), _PROBE_RECORDS)]
    widths = [len(cells) for cells in found[1:] or found]
    if not widths or max(widths) < 2:
        return 0.0, 0
    usual = max(set(widths), key=lambda width: (widths.count(width), width))
    return (widths.count(usual) / len(widths), usual) if usual > 1 else (0.0, 0)


def guess_header(found: Sequence[Record], known: Sequence[set[int]]) -> int:
    """Number of the header record among the first ones; 0 for none.

    known: for each record the positions whose text is the name of a field. A list often has a title above the
    header, so the record that names most fields is taken; one that names a single field must hold no digit.
    """
    rows = list(zip(found, known, strict=True))[:_HEADER_WITHIN]
    if not rows:
        return 0
    record, hits = max(rows, key=lambda row: len(row[1]))
    plain = not any(c.isdigit() for cell in record.cells for c in cell)
    return record.number if len(hits) > 1 or (hits and plain) else 0
