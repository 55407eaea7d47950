"""认领流程 the state machine of jurisdiction over a presence, as data.

Articles of 市场监督管理行政处罚程序规定 (国家市场监督管理总局令第2号, 2021 revision) were cited from memory
and not read again: `verified` is False. 行政处罚法 §22, §25 and §26 were read in the law's text.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from services.common.workflow import Choice, Field, Machine, State, Transition


class Standing(StrEnum):
    """How the caller's authority stands to a presence."""

    SUPERIOR = "superior"
    OFFERED = "offered"
    HOLDER = "holder"


STANDINGS: Final[dict[str, tuple[str, str]]] = {
    Standing.SUPERIOR: ("省、市级单位（辖区之内）", "the province or city authority above it"),
    Standing.OFFERED: ("被推送认领的单位", "the authority it is offered to"),
    Standing.HOLDER: ("当前管辖单位", "the authority that has it now"),
}

REJECTIONS: Final = (
    Choice("not_ours", "不在辖区", "Not in our area"),
    Choice("dead_link", "网址失效", "Dead link"),
    Choice("mismatch", "主体不符", "Not this subject"),
    Choice("illegal_site", "非法网站", "Illegal site"),
)
BASES: Final = (
    Choice("operator_place", "平台内经营者：实际经营地（程序规定 §10）", "Seller on a platform: its place"),
    Choice("domicile", "平台、自建网站、其他服务：住所地（程序规定 §10）", "Platform or own site: domicile"),
    Choice("advertising", "互联网广告：发布者所在地（程序规定 §11）", "Advertising: the publisher's place"),
    Choice("violation_place", "违法行为发生地（行政处罚法 §22）", "Place of the violation"),
    Choice("first_filed", "最先立案（行政处罚法 §25）", "First to file"),
    Choice("designated", "指定管辖（行政处罚法 §25；程序规定 §13–§16）", "Designated by the superior"),
)
DESIGNATED: Final = "designated"

_ORG: Final = Field("org_code", "认领单位", "Authority", kind="organisation")
_BASIS: Final = Field("basis", "管辖依据", "Ground", kind="choice", required=False, choices=BASES)
_WHY: Final = Field("reason_code", "退回理由", "Ground of rejection", kind="choice", choices=REJECTIONS)
_NOTE: Final = Field("reason", "说明", "Note", required=False)
_REASON: Final = Field("reason", "理由", "Reason")

IMPORTED: Final = "imported"
CLAIMED: Final = "claimed"
OPEN_OFFERS: Final = ("offered", "reoffered")
UNDECIDED: Final = ("imported", "matched", "candidate")
"""States nobody has decided in: a list imported again may still place the presence anew."""

CLAIM: Final = Machine(
    name="claim",
    version="2026-11",
    zh="属地认领",
    en="claim of jurisdiction",
    initial=IMPORTED,
    relations=STANDINGS,
    states=(
        State("imported", "已导入", "Imported"),
        State("matched", "已匹配", "Matched"),
        State("candidate", "待确认", "Candidate"),
        State("offered", "待认领", "Offered"),
        State("claimed", "已认领", "Claimed"),
        State("rejected", "已退回", "Rejected"),
        State("reoffered", "再次推送", "Offered again"),
        State("pool", "待分派池", "Pool"),
    ),
    transitions=(
        Transition(
            "match", "自动匹配", "Match", ("imported", "candidate"), "matched",
            "registry:assign", Standing.SUPERIOR, "程序规定 §10（经营地、住所地）", verified=False,
        ),
        Transition(
            "propose", "列为待确认", "Propose", ("imported",), "candidate",
            "registry:assign", Standing.SUPERIOR, "程序规定 §10（经营地、住所地）", verified=False,
        ),
        Transition(
            "offer", "推送认领", "Offer", ("imported", "matched", "candidate"), "offered",
            "registry:assign", Standing.SUPERIOR, "行政处罚法 §22；程序规定 §7–§12", verified=False,
            fields=(_ORG, _BASIS, _NOTE),
        ),
        Transition(
            "claim", "认领", "Claim", OPEN_OFFERS, "claimed",
            "registry:claim", Standing.OFFERED, "行政处罚法 §22；程序规定 §7–§12", verified=False,
            fields=(_NOTE,),
        ),
        Transition(
            "reject", "退回", "Reject", OPEN_OFFERS, "rejected",
            "registry:claim", Standing.OFFERED, "程序规定 §13–§14（管辖争议）", verified=False,
            fields=(_WHY, _NOTE),
        ),
        Transition(
            "take", "自行认领", "Take", ("imported", "matched", "candidate"), "claimed",
            "registry:claim", Standing.HOLDER, "行政处罚法 §22；程序规定 §7–§12", verified=False,
            fields=(_BASIS, _NOTE),
        ),
        Transition(
            "reoffer", "再次推送", "Offer again", ("rejected", "pool"), "reoffered",
            "registry:assign", Standing.SUPERIOR, "程序规定 §13–§16（管辖争议）", verified=False,
            fields=(_ORG, _BASIS, _NOTE),
        ),
        Transition(
            "pool", "放入待分派池", "Put into the pool",
            ("imported", "matched", "candidate", "offered", "reoffered", "rejected"), "pool",
            "registry:assign", Standing.SUPERIOR, "程序规定 §13–§16（管辖争议）", verified=False,
            fields=(_REASON,),
        ),
        Transition(
            "designate", "指定管辖", "Designate", ("claimed",), "reoffered",
            "registry:assign", Standing.SUPERIOR, "行政处罚法 §25；程序规定 §13–§16（指定）", verified=False,
            fields=(_ORG, _REASON),
        ),
        Transition(
            "hand_back", "交回", "Hand back", ("claimed",), "rejected",
            "registry:claim", Standing.HOLDER, "行政处罚法 §26；程序规定 §14（移送）", verified=False,
            fields=(_WHY, _NOTE),
        ),
    ),
)  # fmt: skip

BY_MACHINE: Final = frozenset({"match", "propose"})
"""Steps that only the matching run takes; nobody asks for them on one presence."""
