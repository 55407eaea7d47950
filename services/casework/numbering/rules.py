"""编号规则 how clue and case numbers are written: 赣市监南昌县线〔2026〕0001号."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from services.casework.deadlines.rules import beijing_day

BUREAU: Final = "市场监督管理局"
# First two digits of GB/T 2260 → the province's one-character name (used in document numbers).
_PROVINCE_CODES: Final = "11121314152122233132333435363741424344454650515253546162636465"
_PROVINCES: Final = dict(
    zip(
        (_PROVINCE_CODES[i : i + 2] for i in range(0, len(_PROVINCE_CODES), 2)),
        "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川黔滇藏陕甘青宁新",
        strict=True,
    )
)


class Kind(StrEnum):
    """What is numbered; the value is the word in the number."""

    CLUE = "线"
    CASE = "立"


def number_year(moment: datetime) -> int:
    """The year a number belongs to: the calendar year in China."""
    return beijing_day(moment).year


def format_number(kind: Kind, org_name: str, region_code: str, year: int, serial: int) -> str:
    """A document number: province, 市监, place, kind, year and serial (at least four digits).

    A provincial bureau has no place: 赣市监线〔2026〕0001号.
    """
    province = _PROVINCES.get(region_code[:2], "")
    place = "" if region_code.endswith("0000") else org_name.removesuffix(BUREAU)
    return f"{province}市监{place}{kind.value}〔{year}〕{serial:04d}号"
