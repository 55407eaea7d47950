"""机构规则 how the bureaux follow from the divisions.

市场监督管理部门 exist at province, city and county level (行政处罚法 §22: county level and above decide).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.registry.regions.rules import Division, Level

SUFFIX: Final = "-SJ"
BUREAU: Final = "市场监督管理局"


@dataclass(frozen=True, slots=True)
class Bureau:
    """One authority as generated: code, name, level, region it covers, superior's code."""

    code: str
    name: str
    level: Level
    region_code: str
    parent_code: str | None


def bureaux(divisions: Iterable[Division]) -> list[Bureau]:
    """The market supervision bureau of every division, in the divisions' order (parents first)."""
    return [
        Bureau(
            code=d.code + SUFFIX,
            name=d.name + BUREAU,
            level=d.level,
            region_code=d.code,
            parent_code=d.parent_code + SUFFIX if d.parent_code else None,
        )
        for d in divisions
    ]
