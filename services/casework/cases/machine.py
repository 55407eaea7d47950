"""案件流程 the case's state machine, as data (the ordinary procedure in small).

Articles: 行政处罚法 (2021 revision), read in full; 市场监督管理行政处罚程序规定, cited from memory.
"""

from typing import Final

from services.casework.workflow.rules import RELATION_LABELS, Relation
from services.common.workflow import Field, Machine, State, Transition

CASE: Final = Machine(
    name="case",
    version="2026-11",
    relations=RELATION_LABELS,
    zh="案件",
    en="case",
    initial="filed",
    states=(
        State("filed", "已立案", "Filed"),
        State("investigating", "调查中", "Under investigation"),
        State("concluded", "调查终结", "Investigation concluded"),
        State("closed", "已结案", "Closed", final=True),
    ),
    transitions=(
        Transition(
            "investigate",
            "开始调查",
            "Start the investigation",
            ("filed",),
            "investigating",
            "case:write",
            Relation.HANDLER,
            "行政处罚法 §42、§55（调查，执法人员不少于两人）",
            verified=True,
            fields=(Field("reason", "说明", "Note", required=False),),
        ),
        Transition(
            "conclude",
            "调查终结",
            "Conclude the investigation",
            ("investigating",),
            "concluded",
            "case:write",
            Relation.HANDLER,
            "行政处罚法 §57（调查终结）",
            verified=True,
            fields=(Field("reason", "调查结论", "Findings"),),
        ),
        Transition(
            "close",
            "结案",
            "Close",
            ("concluded",),
            "closed",
            "case:write",
            Relation.HANDLER,
            "程序规定（结案）",
            verified=False,
            fields=(Field("reason", "结案事由", "Reason for closing"),),
        ),
    ),
)
