"""检查规则 what an inspection of a presence can come to."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Result(StrEnum):
    """Result of an inspection; the classes follow the monitoring forms of the authorities."""

    NORMAL = "normal"
    UNREACHABLE = "unreachable"
    NOT_SHOWN = "not_shown"
    MISMATCH = "mismatch"
    NOT_OURS = "not_ours"
    SUSPECTED = "suspected"
    OTHER = "other"


RESULT_LABELS: Final[dict[Result, tuple[str, str]]] = {
    Result.NORMAL: ("未见异常", "Nothing found"),
    Result.UNREACHABLE: ("网址失效或店铺关闭", "Unreachable or closed"),
    Result.NOT_SHOWN: ("未按规定亮照亮证", "Licence not shown"),
    Result.MISMATCH: ("公示信息与主体不符", "Shown details do not match"),
    Result.NOT_OURS: ("不在辖区", "Not in our area"),
    Result.SUSPECTED: ("涉嫌违法，另行处置", "Suspected offence"),
    Result.OTHER: ("其他", "Other"),
}
