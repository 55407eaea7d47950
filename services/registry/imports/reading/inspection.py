"""What a received file is: text or workbook, its encoding, separator and header, and the first rows of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Final

from services.common.personal import KeyRing, PersonalData
from services.registry.imports.fields import named_fields
from services.registry.imports.reading import workbooks
from services.registry.imports.reading.encodings import CODECS, guess_encoding
from services.registry.imports.reading.kept import ORIGINAL, TEXT, KeptFiles
from services.registry.imports.reading.tables import (
    DELIMITERS,
    Layout,
    Record,
    guess_delimiter,
    guess_header,
    records,
)

SAMPLES: Final = 20
_PROBE: Final = 40
_MOST_COLUMNS: Final = 500


class UnreadableError(ValueError):
    """The file as a whole cannot be read; `code`, `zh`, `en` say why."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.code, self.zh, self.en = code, zh, en


@dataclass(frozen=True)
class Inspected:
    """How a file is read, and what its first rows say; rows: 0 for not counted."""

    layout: Layout
    headers: list[str]
    samples: list[list[str]]
    rows: int = 0


def inspect(files: KeptFiles, import_id: str, wanted: Layout | None = None) -> Inspected:
    """Look at a kept file. wanted: what an officer chose; what is wrong in it falls back to a guess.

    Raises UnreadableError, OSError.
    """
    with files.open(import_id, ORIGINAL) as file:
        head = file.read(8)
    if not head:
        raise UnreadableError("import.empty", "文件是空的", "The file is empty")
    if workbooks.is_workbook(head):
        return _workbook(files, import_id, wanted)
    with files.open(import_id, ORIGINAL) as file:
        return _text(file, wanted)


def part_of(layout: Layout) -> str:
    """Which part of the kept file is read for this layout."""
    return f"{TEXT}-{hashlib.sha256(layout.sheet.encode()).hexdigest()[:8]}" if layout.sheet else ORIGINAL


def _text(file: IO[bytes], wanted: Layout | None) -> Inspected:
    guess = guess_encoding(file)
    chosen = wanted.encoding if wanted and wanted.encoding in CODECS else None
    if guess is None and chosen is None:
        raise UnreadableError(
            "import.encoding",
            "不是文本或Excel文件：UTF-8、UTF-16、GB18030、Big5均不能解读",
            "Neither text (UTF-8, UTF-16, GB18030, Big5) nor an Excel workbook",
        )
    encoding = chosen or (guess.codec if guess else "utf-8")
    sure = wanted.sure if chosen and wanted else bool(guess and guess.sure)
    delimiter = (
        wanted.delimiter if wanted and wanted.delimiter in DELIMITERS else guess_delimiter(file, encoding)
    )
    return _rows(file, Layout(encoding, delimiter, sure=sure), wanted)


def _rows(file: IO[bytes], layout: Layout, wanted: Layout | None, rows: int = 0) -> Inspected:
    first = list(islice(records(file, replace(layout, header=0)), _PROBE))
    if not first:
        raise UnreadableError("import.empty", "文件里没有内容", "The file holds no rows")
    header = guess_header(first, [named_fields(record.cells) for record in first])
    if wanted and 0 <= wanted.header <= _PROBE:
        header = wanted.header
    headers, samples = _headers(first, header)
    if len(headers) > _MOST_COLUMNS:
        raise UnreadableError(
            "import.columns", f"列数过多（{len(headers)}列）", f"Too many columns: {len(headers)}"
        )
    return Inspected(replace(layout, header=header), headers, samples, rows)


def _headers(first: Sequence[Record], header: int) -> tuple[list[str], list[list[str]]]:
    below = [record.cells for record in first if record.number > header]
    named = next((record.cells for record in first if record.number == header), None)
    width = len(named) if named else max((len(cells) for cells in below), default=0)
    titles = [title.strip()[:100] for title in named] if named else [""] * width
    titles = ["".join(c for c in title if c.isprintable()) for title in titles]
    return titles, [cells[:width] for cells in below[:SAMPLES]]


def _workbook(files: KeptFiles, import_id: str, wanted: Layout | None) -> Inspected:
    sheet = wanted.sheet if wanted else ""
    if wanted and wanted.sheets and files.has(import_id, part_of(wanted)):
        with files.open(import_id, part_of(wanted)) as file:
            return _rows(file, wanted, wanted)
    if files.path(import_id, ORIGINAL).stat().st_size > workbooks.MAX_BYTES:
        raise UnreadableError(
            "import.workbook_large", "Excel文件超过128 MiB，请另存为CSV", "Save it as CSV: over 128 MiB"
        )
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=workbooks.bound_memory) as pool:
        asked = pool.submit(_convert, files.path(import_id, ORIGINAL).parent, files.ring, import_id, sheet)
        try:
            sheets, chosen, rows = asked.result()
        except workbooks.WorkbookError as error:
            raise _unreadable(str(error)) from error
        except (BrokenProcessPool, MemoryError) as error:
            raise _unreadable("unfolds") from error
    layout = Layout("utf-8", ",", sheet=chosen, sheets=sheets)
    with files.open(import_id, part_of(layout)) as file:
        return _rows(file, layout, wanted, rows)


def _unreadable(why: str) -> UnreadableError:
    if why == "unfolds":
        return UnreadableError(
            "import.workbook_large",
            "Excel文件解开后过大，请另存为CSV",
            "The workbook unfolds too far: save it as CSV",
        )
    if why == "no_sheet":
        return UnreadableError(
            "import.workbook_empty", "Excel文件里没有可见的工作表", "No visible worksheet in the workbook"
        )
    return UnreadableError(
        "import.workbook", "Excel文件已损坏或加密，无法打开", "The workbook is damaged or encrypted"
    )


def _convert(folder: Path, ring: KeyRing, import_id: str, sheet: str) -> tuple[list[str], str, int]:
    """In a process of its own: the worksheet as text beside the original; (sheets, the one taken, rows)."""
    files = KeptFiles(folder, PersonalData(ring))
    with files.open(import_id, ORIGINAL) as file:
        data = file.read()
    names = workbooks.sheets(data)
    if not names:
        raise workbooks.WorkbookError("no_sheet")
    chosen = sheet if sheet in names else names[0]
    rows = 0

    def fill(take: Callable[[bytes], None]) -> None:
        nonlocal rows
        rows = workbooks.as_text(data, chosen, take)

    files.write(import_id, part_of(Layout("utf-8", sheet=chosen)), fill)
    return names, chosen, rows
