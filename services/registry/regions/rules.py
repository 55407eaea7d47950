"""区划规则 pure decisions about divisions: levels, ancestry, and which one an address names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from services.registry.search.rules import fold

_PROVINCES: Final = re.compile(
    "北京市|天津市|上海市|重庆市|河北省|山西省|辽宁省|吉林省|黑龙江省|江苏省|浙江省|安徽省|福建省|山东省|河南省|湖北省|湖南省|"
    "广东省|海南省|四川省|贵州省|云南省|陕西省|甘肃省|青海省|台湾省|内蒙古|广西|西藏|宁夏|新疆|香港|澳门|江西省"
)


class Level(StrEnum):
    """Level of a division or an authority."""

    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"


@dataclass(frozen=True, slots=True)
class Division:
    """One division: six-digit code, name, the parent's code (None for the province)."""

    code: str
    name: str
    parent_code: str | None

    @property
    def level(self) -> Level:
        """Level told by the code (GB/T 2260: trailing zeros)."""
        return level_of(self.code)


def level_of(code: str) -> Level:
    """Level of a six-digit division code: xx0000 province, xxxx00 city, otherwise county."""
    if code.endswith("0000"):
        return Level.PROVINCE
    return Level.CITY if code.endswith("00") else Level.COUNTY


def within(code: str, ancestor: str) -> bool:
    """Whether division `code` lies in (or is) division `ancestor`."""
    significant = {Level.PROVINCE: 2, Level.CITY: 4, Level.COUNTY: 6}[level_of(ancestor)]
    return code[:significant] == ancestor[:significant]


def parse_divisions(text: str) -> list[Division]:
    """Divisions from the shipped CSV `code,name,parent_code,parent_name`, parents first.

    Raises ValueError naming the line when a code is not six digits, doubled, or its parent is missing.
    """
    rows: list[Division] = []
    known: set[str] = set()
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        division = Division(row["code"], row["name"], row["parent_code"] or None)
        if not re.fullmatch(r"\d{6}", division.code) or division.code in known:
            raise ValueError(f"line {number}: bad or doubled code {division.code!r}")
        if division.parent_code is not None and division.parent_code not in known:
            raise ValueError(f"line {number}: parent {division.parent_code!r} not above it")
        known.add(division.code)
        rows.append(division)
    return rows


@dataclass(frozen=True, slots=True)
class Alias:
    """A retired code or name of a division and the division that followed it."""

    code: str
    name: str
    valid_from: date | None
    valid_to: date | None
    successor: str
    source: str
    verified: bool


def parse_aliases(text: str) -> list[Alias]:
    """Aliases from `code,name,valid_from,valid_to,successor,source,verified`. Raises ValueError."""
    return [
        Alias(
            code=row["code"],
            name=row["name"],
            valid_from=_day(row["valid_from"]),
            valid_to=_day(row["valid_to"]),
            successor=row["successor"],
            source=row["source"],
            verified=row["verified"] == "true",
        )
        for row in csv.DictReader(io.StringIO(text))
    ]


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def licence_region(licence: str | None) -> str | None:
    """The division code in a USCC, positions 3-8 (GB 32100): where it was registered, not where it is now."""
    number = fold(licence or "")
    return number[2:8] if len(number) == 18 and number[2:8].isdigit() else None


class Gazetteer:
    """Finds the division an address names; made once from all divisions (code → name)."""

    def __init__(self, divisions: Mapping[str, str]) -> None:
        self._codes: dict[str, list[str]] = {}
        for code, name in divisions.items():
            self._codes.setdefault(name, []).append(code)
        longest_first = sorted(self._codes, key=len, reverse=True)
        self._names = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self._own = {name for code, name in divisions.items() if level_of(code) is Level.PROVINCE}

    def locate(self, address: str | None) -> str | None:
        """The division an address names, as precisely as it says; None when it names none or several.

        County names repeat across provinces (西湖区), so an address that names another province is never
        placed; a city named too must contain the county. Addresses as written are evidence of little:
        callers use the result as a proposal inside their own region only.
        """
        text = fold(address or "")
        if any(name not in self._own for name in _PROVINCES.findall(text)):
            return None
        hits = dict.fromkeys(code for name in self._names.findall(text) for code in self._codes[name])
        counties = [c for c in hits if level_of(c) is Level.COUNTY]
        cities = [c for c in hits if level_of(c) is Level.CITY]
        if cities:
            counties = [c for c in counties if any(within(c, city) for city in cities)]
        if len(counties) == 1:
            return counties[0]
        return cities[0] if len(cities) == 1 and not counties else None
