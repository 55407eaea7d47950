"""枢纽规则 who may overrule the test that calls a value a hub."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


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


def smallest_common(region_codes: Iterable[str]) -> str:
    """The smallest division that holds all of these (GB/T 2260); `000000` where there is none below China."""
    codes = list(region_codes)
    for length in (6, 4, 2):
        shared = {code[:length] for code in codes}
        if len(shared) == 1:
            return shared.pop().ljust(6, "0")
    return "000000"
