"""线索流程 the clue's state machine, as data.

Articles: 市场监督管理行政处罚程序规定 (国家市场监督管理总局令第2号, 2021 revision). They were cited from
memory with high confidence and not read again, so `verified` is False throughout.
"""

from typing import Final

from services.casework.workflow.rules import RELATION_LABELS, Relation
from services.common.workflow import Field, Machine, State, Transition

_REASON: Final = Field("reason", "理由", "Reason")
_NOTE: Final = Field("reason", "说明", "Note", required=False)
_ORG: Final = Field("org_code", "承办单位", "Authority", kind="organisation")

CLUE: Final = Machine(
    name="clue",
    version="2026-11",
    relations=RELATION_LABELS,
    zh="线索",
    en="clue",
    initial="new",
    states=(
        State("new", "新建", "New"),
        State("assigned", "已分派", "Assigned"),
        State("signed", "已签收", "Signed for"),
        State("returned", "已退回", "Returned"),
        State("filed", "已立案", "Filed as a case", final=True),
        State("not_filed", "不予立案", "Not filed", final=True),
        State("dismissed", "已排除", "Dismissed", final=True),
    ),
    transitions=(
        Transition(
            "assign",
            "分派",
            "Assign",
            ("new", "returned"),
            "assigned",
            "clue:assign",
            Relation.ORIGIN,
            "程序规定 §7–§12（管辖）",
            verified=False,
            fields=(_ORG, _NOTE),
        ),
        Transition(
            "sign",
            "签收",
            "Sign for",
            ("assigned",),
            "signed",
            "clue:sign",
            Relation.ASSIGNEE,
            "程序规定 §18（核查期限）",
            verified=False,
        ),
        Transition(
            "return",
            "退回",
            "Return",
            ("assigned",),
            "returned",
            "clue:sign",
            Relation.ASSIGNEE,
            "程序规定 §13–§14（管辖争议）",
            verified=False,
            fields=(_REASON,),
        ),
        Transition(
            "dismiss",
            "排除",
            "Dismiss",
            ("new", "returned"),
            "dismissed",
            "clue:assign",
            Relation.ORIGIN,
            "程序规定 §19（立案条件）",
            verified=False,
            fields=(_REASON,),
        ),
        Transition(
            "file",
            "立案",
            "File a case",
            ("signed",),
            "filed",
            "case:write",
            Relation.ASSIGNEE,
            "程序规定 §19（立案条件）",
            verified=False,
            fields=(_NOTE,),
        ),
        Transition(
            "decline",
            "不予立案",
            "Do not file",
            ("signed",),
            "not_filed",
            "case:write",
            Relation.ASSIGNEE,
            "程序规定 §20（不予立案）",
            verified=False,
            fields=(_REASON,),
        ),
    ),
)
