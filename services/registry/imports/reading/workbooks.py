"""Excel workbooks: turned into text once, row by row, so that everything behind reads one form.

Runs in a process of its own with bounded memory: a workbook is compressed, and a small one may unfold
without end (CWE-409).
"""

from __future__ import annotations

import csv
import datetime
import io
import resource
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

ZIP: Final = b"PK\x03\x04"
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MAX_UNFOLDED: Final = 1 << 30
MAX_BYTES: Final = 128 << 20
_MEMORY: Final = 6 << 30
_EXACT: Final = 10**15
_BLOCK: Final = 1 << 20


class WorkbookError(ValueError):
    """The workbook cannot be read; the argument says why: `unreadable`, `unfolds` or `no_sheet`."""


def is_workbook(head: bytes) -> bool:
    """Whether a file's first bytes are those of an Excel workbook (xlsx, xlsb: ZIP; xls: OLE)."""
    return head.startswith((ZIP, OLE))


def sheets(data: bytes) -> list[str]:
    """Names of the visible worksheets. Raises WorkbookError."""
    book = _open(data)
    return [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
    ]


def as_text(data: bytes, sheet: str, take: Callable[[bytes], None]) -> int:
    """The worksheet as CSV in UTF-8, in blocks to `take`; gives the number of rows. Raises WorkbookError.

    Row numbers stay those Excel shows. What Excel keeps as a number of more than 15 digits has lost digits
    already (IEEE 754): it is written in scientific form, which the row checks then name.
    """
    try:
        found = _open(data).get_sheet_by_name(sheet)
        rows = found.to_python(skip_empty_area=False)
    except (CalamineError, MemoryError, KeyError) as error:
        raise WorkbookError("unreadable") from error
    out = io.StringIO()
    write = csv.writer(out).writerow
    for row in rows:
        write([_cell(value) for value in row])
        if out.tell() > _BLOCK:
            take(out.getvalue().encode("utf-8", "replace"))
            out.seek(0)
            out.truncate()
    take(out.getvalue().encode("utf-8", "replace"))
    return len(rows)


def bound_memory() -> None:
    """For the process that reads a workbook: no more memory than this, whatever it unfolds to."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _open(data: bytes) -> CalamineWorkbook:
    if data.startswith(ZIP):
        _check_size(io.BytesIO(data))
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(data))
    except (CalamineError, MemoryError) as error:
        raise WorkbookError("unreadable") from error


def _check_size(file: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            unfolded = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise WorkbookError("unreadable") from error
    if unfolded > MAX_UNFOLDED:
        raise WorkbookError("unfolds")


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        if abs(value) >= _EXACT:
            return f"{value:.14E}"
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, datetime.datetime):
        plain = value.time() == datetime.time.min
        return value.date().isoformat() if plain else value.isoformat(" ", "seconds")
    return str(value)


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """A file in blocks."""
    while block := file.read(_BLOCK):
        yield block
