"""枢纽规则 how a value is named in an address, and who may overrule the test that calls it a hub."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from services.registry.identifiers.kinds import Kind

_VALUE_ID: Final = re.compile(r"([1-9]\d{0,2})-([0-9a-f]{16})")
_ALL: Final = (1 << 64) - 1


class Ruling(StrEnum):
    """An officer's word on a value. `withdrawn` takes the earlier word back: the test counts again."""

    HUB = "hub"
    NOT_HUB = "not_hub"
    WITHDRAWN = "withdrawn"


RULING_LABELS: Final[dict[Ruling, tuple[str, str]]] = {
    Ruling.HUB: ("认定为枢纽值，不形成关联", "a hub: forms no links"),
    Ruling.NOT_HUB: ("认定为经营者自有，可形成关联", "no hub: forms links"),
    Ruling.WITHDRAWN: ("撤回认定，以系统检验为准", "ruling withdrawn; the test counts"),
}


def value_id(kind: int, key: int) -> str:
    """The name of a value in an address: kind and keyed hash, which tell nobody the value itself."""
    return f"{int(kind)}-{key & _ALL:016x}"


def parse_value_id(text: str) -> tuple[int, int]:
    """(kind, key) of a name. Raises ValueError for anything else, or a kind there is not."""
    found = _VALUE_ID.fullmatch(text)
    if found is None:
        raise ValueError("not the name of a value")
    key = int(found.group(2), 16)
    return int(Kind(int(found.group(1)))), key - (1 << 64) if key >> 63 else key


def smallest_common(region_codes: Iterable[str]) -> str:
    """The smallest division that holds all of these (GB/T 2260); `000000` where there is none below China."""
    codes = list(region_codes)
    for length in (6, 4, 2):
        shared = {code[:length] for code in codes}
        if len(shared) == 1:
            return shared.pop().ljust(6, "0")
    return "000000"
