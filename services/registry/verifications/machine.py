"""复核流程 the state machines of a periodic check and of a presence's standing in the registry, as data.

Platforms verify and update what their operators tell them from time to time (电子商务法 §27); the registry's
own checks follow the authority's plan. The article was cited from memory: `verified` is False.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from services.common.workflow import Choice, Field, Machine, State, Transition


class Standing(StrEnum):
    """How the caller's authority stands to a presence or its check."""

    HERE = "here"


_HERE: Final[dict[str, tuple[str, str]]] = {
    Standing.HERE: ("网店所在辖区的单位", "an authority whose area it lies in")
}

CLASSES: Final = (
    Choice("dead_link", "网址失效", "Dead link"),
    Choice("mismatch", "主体不符", "Not this subject"),
    Choice("not_ours", "不在辖区", "Not in our area"),
)
RESULTS: Final = (
    Choice("passed", "核实无误", "Confirmed"),
    Choice("failed", "确有问题", "Confirmed problem"),
    Choice("unclear", "无法核实", "Could not be told"),
)
WEEDINGS: Final = (
    *CLASSES,
    Choice("illegal_site", "非法网站", "Illegal site"),
    Choice("closed", "已关停", "Closed"),
)

_NOTE: Final = Field("reason", "说明", "Note", required=False)
_GROUND: Final = Field("reason_code", "剔除理由", "Ground", kind="choice", choices=WEEDINGS)
_EVIDENCE: Final = Field("evidence_id", "采集任务或证据编号", "Capture or evidence id", required=False)

VERIFICATION: Final = Machine(
    name="verification",
    version="2026-11",
    zh="定期复核",
    en="periodic check",
    initial="due",
    relations=_HERE,
    states=(
        State("due", "待复核", "Due"),
        State("passed", "核实无误", "Confirmed", final=True),
        State("failed", "确有问题", "Confirmed problem", final=True),
        State("unclear", "无法核实", "Could not be told", final=True),
        State("cancelled", "已取消", "Cancelled", final=True),
    ),
    transitions=(
        Transition(
            "pass", "核实无误", "Confirm", ("due",), "passed",
            "registry:write", Standing.HERE, "电子商务法 §27（核验更新）", verified=False,
            fields=(_NOTE, _EVIDENCE),
        ),
        Transition(
            "fail", "确有问题", "Confirm the problem", ("due",), "failed",
            "registry:write", Standing.HERE, "电子商务法 §27（核验更新）", verified=False,
            fields=(Field("reason", "情况", "What was found"), _EVIDENCE),
        ),
        Transition(
            "unclear", "无法核实", "Could not be told", ("due",), "unclear",
            "registry:write", Standing.HERE, "电子商务法 §27（核验更新）", verified=False,
            fields=(Field("reason", "原因", "Why"), _EVIDENCE),
        ),
        Transition(
            "cancel", "取消", "Cancel", ("due",), "cancelled",
            "registry:assign", Standing.HERE, "电子商务法 §27（核验更新）", verified=False,
            fields=(Field("reason", "理由", "Reason"),),
        ),
    ),
)  # fmt: skip

STATUS: Final = Machine(
    name="status",
    version="2026-11",
    zh="网店在册状态",
    en="standing in the registry",
    initial="active",
    relations=_HERE,
    states=(
        State("active", "在册", "Active"),
        State("dead", "失效", "Dead"),
        State("weeded", "已剔除", "Weeded"),
    ),
    transitions=(
        Transition(
            "lapse", "标记失效", "Mark as dead", ("active",), "dead",
            "registry:write", Standing.HERE, "电子商务法 §27（核验更新）", verified=False,
        ),
        Transition(
            "revive", "恢复有效", "Mark as alive", ("dead",), "active",
            "registry:write", Standing.HERE, "电子商务法 §27（核验更新）", verified=False,
        ),
        Transition(
            "weed", "剔除", "Weed out", ("active", "dead"), "weeded",
            "registry:assign", Standing.HERE, "电子商务法 §27（核验更新）", verified=False,
            fields=(_GROUND, Field("reason", "说明", "Note")),
        ),
        Transition(
            "restore", "恢复", "Restore", ("weeded",), "active",
            "registry:assign", Standing.HERE, "电子商务法 §27（核验更新）", verified=False,
            fields=(Field("reason", "理由", "Reason"),),
        ),
    ),
)  # fmt: skip
