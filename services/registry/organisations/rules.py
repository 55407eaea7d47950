"""机构规则 how the bureaux follow from the divisions.

市场监督管理部门 exist at province, city and county level (行政处罚法 §22: county level and above decide).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.registry.regions.rules import Division, Level

SUFFIX: Final = "-SJ"
BUREAU: Final = "市场监督管理局"


class OrganisationKind(StrEnum):
    """What an authority is: of a division, of a function zone (no division code), or a station below one."""

    BUREAU = "bureau"
    ZONE = "zone"
    STATION = "station"


KIND_LABELS: Final[dict[OrganisationKind, tuple[str, str]]] = {
    OrganisationKind.BUREAU: ("市场监督管理局", "Bureau"),
    OrganisationKind.ZONE: ("功能区机构", "Function zone"),
    OrganisationKind.STATION: ("市场监督管理所", "Station"),
}


@dataclass(frozen=True, slots=True)
class Bureau:
    """One authority as shipped: code, name, level, region it covers or lies in, superior's code."""

    code: str
    name: str
    level: Level
    region_code: str
    parent_code: str | None
    kind: OrganisationKind = OrganisationKind.BUREAU
    verified: bool = True


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
