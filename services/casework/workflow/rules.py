"""流程规则 how an authority can stand to a clue or a case; the machine itself is services.common.workflow."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Relation(StrEnum):
    """How the caller's authority stands to the object."""

    ORIGIN = "origin"
    ASSIGNEE = "assignee"
    HANDLER = "handler"


RELATION_LABELS: Final[dict[str, tuple[str, str]]] = {
    Relation.ORIGIN: ("发现单位或其上级", "the authority that found it, or a superior"),
    Relation.ASSIGNEE: ("被分派单位", "the authority it is assigned to"),
    Relation.HANDLER: ("办案单位", "the authority that handles the case"),
}
