"""What one record says: its cells as field values, what makes it unusable, what is doubtful in it.

Odd values are kept raw (a formula on a shop's page is a fact about the shop); they are made harmless when
they leave in a spreadsheet. Nothing is corrected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from services.registry.identifiers.normal import Found, found_in, taken_apart
from services.registry.identifiers.normal import Row as Cells
from services.registry.identifiers.rules import Finding, findings_in
from services.registry.imports.fields import FIELDS
from services.registry.imports.reading.encodings import DAMAGED
from services.registry.imports.reading.tables import OVERLONG, UNCLOSED, Record
from services.registry.imports.taking.batches import Item
from services.registry.personal.rules import mask
from services.registry.presences.rules import domain_of

NULL_WORDS: Final = frozenset({"null", "nil", "none", "n/a", "\\n", "nan", "无", "-", "—", "/", "#n/a"})
_KEPT_RAW: Final = frozenset({"id", "name", "subject_name"})
_SCIENTIFIC: Final = re.compile(r"^\d(?:\.\d+)?[eE]\+?\d{2}$")
_NUMBERS: Final = frozenset({"id", "phone", "qq", "licence", "payment"})
_SHOWN: Final = 60
_WELL_FORMED: Final = frozenset({"B", "C"})
_Column = tuple[str | None, int, bool]
"""A column's field, the longest value it takes, whether it holds numbers."""


class BadRowError(ValueError):
    """The record cannot be taken; `finding` says why, `value` what stood there (masked)."""

    def __init__(self, finding: Finding, value: str = "") -> None:
        super().__init__(finding.code)
        self.finding, self.value = finding, value


@dataclass(slots=True)
class Row:
    """One usable record: its number, its values by field (None: an empty cell), remarks, identifiers.

    place: the division its address names, empty when it names none or contradicts itself.
    """

    number: int
    values: dict[str, str | None]
    findings: list[Finding]
    identifying: Found = field(default_factory=list)
    place: str = ""


def read_rows(found: Sequence[Record | Item], mapping: Sequence[str | None]) -> list[Row | BadRowError]:
    """What each record says, or why it cannot be taken.

    Step by step for all of them: a step's code then stays in the processor's caches, a quarter of the work.
    """
    columns = [(name, FIELDS[name].longest if name else 0, name in _NUMBERS) for name in mapping]
    read = [_read(record, columns) for record in found]
    rows = [row for row in read if isinstance(row, Row)]
    cells_of = taken_apart([row.values for row in rows])
    for row, cells in zip(rows, cells_of, strict=True):
        row.findings += findings_in(cells)
    for row, cells in zip(rows, cells_of, strict=True):
        row.identifying, row.place = found_in(cells), _place(cells)
    return read


def _read(record: Record | Item, columns: Sequence[_Column]) -> Row | BadRowError:
    values: dict[str, str | None] = {}
    findings: list[Finding] = []
    try:
        _check_shape(record.number, record.lines, record.cells, len(columns))
        for (name, longest, number), cell in zip(columns, record.cells, strict=False):
            if name is None:
                continue
            bare = cell.strip()
            # What most cells are: of ordinary length, nothing hidden in them, and no number Excel rounded.
            usual = len(bare) > 4 and len(cell) <= longest and cell.isprintable()
            value: str | None = bare
            if not usual or (number and not bare.isdigit()):
                value = _value(name, cell, findings) if cell else None
            if values.get(name):
                value = f"{values[name]}、{value}" if value else values[name]
            values[name] = value
        _complete(values)
    except BadRowError as error:
        return error
    return Row(record.number, values, findings)


def _complete(values: dict[str, str | None]) -> None:
    if not values.get("name"):
        values["name"] = values.get("subject_name")
    if not values.get("id", "made") or not values["name"]:
        missing = "name" if values.get("id", "made") else "id"
        raise BadRowError(
            Finding(
                missing, "cell.missing", f"{FIELDS[missing].zh}不能为空", f"{FIELDS[missing].en} is empty"
            )
        )
    domain = domain_named(values.get("url") or values.get("platform"))
    if domain:
        values["domain"] = domain


def _place(cells: Cells) -> str:
    address = cells.address
    return "" if address is None or "address.conflict" in address.notes else address.region_code


@lru_cache(maxsize=4_096)
def domain_named(text: str | None) -> str | None:
    """`domain_of`, remembered: a list names few platforms."""
    return domain_of(text)


def _check_shape(number: int, lines: int, cells: Sequence[str], width: int) -> None:
    first = cells[0]
    if first.startswith(UNCLOSED):
        zh = f"引号不成对，此处起{lines}行未能读取" if lines > 1 else "引号不成对"
        raise BadRowError(Finding("", "row.quote", zh, f"A quotation mark is not closed ({lines} lines)"))
    if first.startswith(OVERLONG):
        raise BadRowError(Finding("", "row.too_long", "这一行超过32 MiB", "The line is longer than 32 MiB"))
    if len(cells) != width and (len(cells) < width or any(cells[width:])):
        zh, en = f"应有{width}列，实有{len(cells)}列", f"{width} columns expected, {len(cells)} found"
        raise BadRowError(Finding("", "row.columns", zh, en))


def _value(field: str, cell: str, findings: list[Finding]) -> str | None:
    if "\0" in cell:
        raise BadRowError(Finding(field, "cell.nul", "含有空字符(NUL)", "Contains a NUL character"))
    if DAMAGED in cell:
        zh, en = "含有不属于该编码的字节", "Holds bytes the encoding does not know"
        raise BadRowError(Finding(field, "cell.encoding", zh, en))
    longest = FIELDS[field].longest
    if len(cell) > longest:
        zh, en = f"内容过长（{len(cell)}字符，最多{longest}）", f"Too long: {len(cell)} characters"
        raise BadRowError(Finding(field, "cell.too_long", zh, en))
    value = cell.strip()
    if field not in _KEPT_RAW and len(value) <= 4 and value.casefold() in NULL_WORDS:
        findings.append(Finding(field, "cell.null_word", f"“{value}”按空值处理", "Taken as empty"))
        return None
    if field in _NUMBERS and ("E" in value or "e" in value) and _SCIENTIFIC.match(value):
        zh = "Excel把号码改成了科学计数法，末尾数字已丢失，请在原表中设为文本"
        findings.append(
            Finding(field, "cell.scientific", zh, "Excel has rounded this number: set it as text")
        )
    return value or None


def shown_value(field: str, value: str | None) -> str:
    """A value as remarks and error files show it: masked where personal, at most 60 characters, one line."""
    plain = mask(field, value[:200]) if value and field in PERSONAL_FIELDS else value
    return "".join(c if c.isprintable() else "�" for c in (plain or "")[:_SHOWN])


PERSONAL_FIELDS: Final = frozenset(
    {"phone", "qq", "wechat", "address", "return_address", "legal_person", "payment"}
)


def ownership_of(value: str | None) -> str | None:
    """B or C where the cell says so in any usual way; None else."""
    plain = (value or "").strip().upper()[:1]
    return plain if plain in _WELL_FORMED else None
