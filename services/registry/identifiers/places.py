"""地名 the names by which an address opens: provinces of the country, cities and counties that are shipped.

Names and codes are data: `data/provinces.csv`, `data/jiangxi_divisions.csv` and, for names and codes that
were given up, `data/region_aliases.csv` (its facts are flagged as unverified).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_DATA: Final = Path(__file__).parent.parent / "data"
OWN_PROVINCES: Final = frozenset({"36"})


@dataclass(frozen=True, slots=True)
class Place:
    """A name and where it leads: today's code, and the code of old when the name was given up."""

    code: str
    name: str
    retired: str | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Names by level; `spoken` are city names without their suffix, which need a look at what follows."""

    provinces: dict[str, str]
    cities: dict[str, Place]
    counties: dict[str, list[Place]]
    spoken: dict[str, Place]
    names: dict[str, str]


@cache
def _rows(name: str) -> list[dict[str, str]]:
    path = _DATA / name
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@cache
def province_digits() -> dict[str, str]:
    """First two digits of the codes of each province (GB/T 2260) by its one-character abbreviation."""
    return {row["abbreviation"]: row["code"] for row in _rows("provinces.csv") if row["abbreviation"]}


def _provinces() -> dict[str, str]:
    rows = _rows("provinces.csv")
    return {row[form]: row["code"] for row in rows for form in ("name", "short")}


@cache
def places() -> Places:
    """The shipped names, read once a process."""
    cities: dict[str, Place] = {}
    counties: dict[str, list[Place]] = {}
    spoken: dict[str, Place] = {}
    names: dict[str, str] = {}
    for row in _rows("jiangxi_divisions.csv"):
        code, name = row["code"], row["name"]
        names[code] = name
        if code.endswith("0000"):
            continue
        place = Place(code, name)
        if code.endswith("00"):
            cities[name] = place
            spoken[name[:-1]] = place
        else:
            counties.setdefault(name, []).append(place)
            if len(name) > 3:
                counties.setdefault(name[:-1], []).append(place)
    for row in _rows("region_aliases.csv"):
        today, name = row["successor"] or row["code"], row["name"]
        while today not in names and (later := _later(today)):
            today = later
        if today in names and name not in counties and name not in cities:
            counties[name] = [Place(today, names[today], row["code"])]
    counties.setdefault("红谷滩新区", [Place("360113", names.get("360113", ""), None)])
    return Places(_provinces(), cities, counties, spoken, names)


def _later(code: str) -> str | None:
    return next((row["successor"] for row in _rows("region_aliases.csv") if row["code"] == code), None)
