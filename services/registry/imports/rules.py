"""导入规则 pure rules of the shop CSV: its encoding, its columns, what makes a row unusable, and safe export.

Odd values are kept raw (a formula on a shop's page is a fact about the shop); they are made
harmless when they leave in a spreadsheet (OWASP "CSV Injection": = + - @ tab and carriage return).
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Final

from services.registry.identifiers.rules import Finding, check_fields, licence_kind
from services.registry.presences.rules import channel_of_platform, domain_of

COLUMNS: Final = ("id", "name", "phone", "qq", "wechat", "address", "licence", "icp", "platform")
MAX_CELL: Final = {"id": 128, "name": 500, "address": 1_000, "platform": 100}
MAX_CELL_DEFAULT: Final = 200
# A cell above the csv module's own limit ends the file; below it, it costs only its row.
READER_CELL_LIMIT: Final = 32 * 1024 * 1024
_NULL_WORDS: Final = frozenset({"null", "nil", "none", "n/a", "\\n", "nan", "无", "-", "—", "/"})
_FORMULA_LEADS: Final = ("=", "+", "-", "@", "\t", "\r")
_PROBE: Final = 1 << 20

csv.field_size_limit(READER_CELL_LIMIT)


class UnreadableFile(ValueError):
    """The file as a whole cannot be read; `code`, `zh`, `en` say why."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.code, self.zh, self.en = code, zh, en


@dataclass(frozen=True, slots=True)
class ShopRow:
    """One usable row: record number (header = 1), raw values by column (None when empty), remarks."""

    number: int
    values: dict[str, str | None]
    warnings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class BadRow:
    """One unusable row and why."""

    number: int
    finding: Finding


def detect_encoding(stream: IO[bytes]) -> str:
    """Codec name for a whole file: `utf-8-sig`, `utf-16` (by BOM) or `gb18030`; reads it once, rewinds.

    Raises UnreadableFile when it is none of them. UTF-8 is tried first because valid UTF-8 Chinese is
    hardly ever valid by accident, while GB18030 accepts most byte strings.
    """
    stream.seek(0)
    head = stream.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates: tuple[str, ...] = ("utf-16",)
    elif head.startswith(codecs.BOM_UTF8):
        candidates = ("utf-8-sig",)
    else:
        candidates = ("utf-8-sig", "gb18030")
    try:
        for name in candidates:
            if _decodes(stream, name):
                return name
    finally:
        stream.seek(0)
    raise UnreadableFile(
        "import.encoding", "文件不是UTF-8、GB18030或UTF-16编码", "Neither UTF-8, GB18030 nor UTF-16"
    )


def _decodes(stream: IO[bytes], encoding: str) -> bool:
    stream.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while block := stream.read(_PROBE):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def read_rows(lines: Iterable[str]) -> Iterator[ShopRow | BadRow]:
    """Rows of the shop CSV, one at a time; memory is one row.

    The header must hold exactly the nine columns, in any order and case. Raises UnreadableFile for a
    wrong header, an empty file, or CSV that cannot be followed further.
    """
    reader = csv.reader(lines, strict=True)
    try:
        header = _header(next(reader, None))
        for number, cells in enumerate(reader, start=2):
            if cells:
                yield _row(number, header, cells)
    except csv.Error as error:
        raise UnreadableFile(
            "import.csv",
            f"第{reader.line_num}行起无法按CSV解析：{error}",
            f"Not CSV from line {reader.line_num}: {error}",
        ) from error


def _header(cells: list[str] | None) -> list[str]:
    names = [c.strip().lower() for c in cells or []]
    if sorted(names) != sorted(COLUMNS):
        expected = ",".join(COLUMNS)
        raise UnreadableFile("import.header", f"首行应为：{expected}", f"The first line must be: {expected}")
    return names


def _row(number: int, header: list[str], cells: list[str]) -> ShopRow | BadRow:
    if len(cells) != len(header):
        zh = f"应有{len(header)}列，实有{len(cells)}列"
        return BadRow(number, Finding("", "row.columns", zh, f"{len(header)} columns expected"))
    values: dict[str, str | None] = {}
    warnings: list[Finding] = []
    for column, cell in zip(header, cells, strict=True):
        if "\0" in cell:
            return BadRow(number, Finding(column, "cell.nul", "含有空字符(NUL)", "Contains a NUL character"))
        if len(cell) > MAX_CELL.get(column, MAX_CELL_DEFAULT):
            zh = f"内容过长（{len(cell)}字符）"
            return BadRow(number, Finding(column, "cell.too_long", zh, f"Too long: {len(cell)} characters"))
        value = cell.strip()
        if column not in {"id", "name"} and value.casefold() in _NULL_WORDS:
            warnings.append(Finding(column, "cell.null_word", f"“{value}”按空值处理", "Taken as empty"))
            value = ""
        values[column] = value or None
    missing = next((c for c in ("id", "name") if not values[c]), None)
    if missing:
        return BadRow(number, Finding(missing, "cell.missing", "此列不能为空", "Must not be empty"))
    return ShopRow(number, values, tuple(warnings + check_fields(values)))


def shop_identity(values: dict[str, str | None]) -> tuple[str, str | None]:
    """`(channel, domain)` of a row, told from its platform column."""
    platform = values.get("platform") or ""
    return channel_of_platform(platform).value, domain_of(platform)


def subject_key(values: dict[str, str | None]) -> str | None:
    """The licence number (USCC or 15 digits) that makes a row's subject known, as given; or None."""
    licence = values.get("licence")
    return licence if licence and licence_kind(licence) in {"uscc", "regno15"} else None


def neutralise(cell: str) -> str:
    """A cell as exported: text a spreadsheet would run as a formula gets a leading apostrophe."""
    return f"'{cell}" if cell.startswith(_FORMULA_LEADS) else cell


def bounded_lines(text: IO[str]) -> Iterator[str]:
    """Lines of a text file, each at most the reader's limit long.

    Raises UnreadableFile for a longer one, before it fills the memory.
    """
    while line := text.readline(READER_CELL_LIMIT):
        if len(line) >= READER_CELL_LIMIT and not line.endswith("\n"):
            raise UnreadableFile(
                "import.line_too_long", "文件中有超长的行", "A line of the file is far too long"
            )
        yield line
