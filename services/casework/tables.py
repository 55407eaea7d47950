"""Every model of casework, so that its metadata is complete wherever it is needed."""

from services.casework.base import Base
from services.casework.cases.models import Case, CaseEvidence
from services.casework.clues.models import Clue, ClueEvidence
from services.casework.deadlines.models import CalendarDay, DeadlineRule
from services.casework.numbering.models import IssuedNumber, NumberCounter
from services.casework.workflow.models import History

__all__ = [
    "Base",
    "CalendarDay",
    "Case",
    "CaseEvidence",
    "Clue",
    "ClueEvidence",
    "DeadlineRule",
    "History",
    "IssuedNumber",
    "NumberCounter",
]
