"""导入规则 the states of an import, what may be done in each, its limits, and safe export.

Odd values are kept raw; they are made harmless when they leave in a spreadsheet (OWASP "CSV Injection": = + -
@ tab and carriage return).
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

COLUMNS: Final = ("id", "name", "phone", "qq", "wechat", "address", "licence", "icp", "platform")
MAX_BYTES: Final = 512 * 1024 * 1024
KEPT_REMARKS: Final = 200_000
"""Remarks kept for one import; counts stay exact beyond."""
LEASE: Final = timedelta(seconds=20)
FOLLOWED_ROWS: Final = 500
"""Up to so many new or changed rows links follow at once; beyond, all links are made anew afterwards."""
_FORMULA_LEADS: Final = ("=", "+", "-", "@", "\t", "\r")


class State(StrEnum):
    """How far an import is."""

    UPLOADED = "uploaded"
    CHECKING = "checking"
    CHECKED = "checked"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class Links(StrEnum):
    """What became of the links of a list's rows; none: they followed at once."""

    WANTED = "wanted"
    DONE = "done"


STATE_LABELS: Final[dict[State, tuple[str, str]]] = {
    State.UPLOADED: ("已上传", "Uploaded"),
    State.CHECKING: ("正在试运行", "Dry run under way"),
    State.CHECKED: ("已试运行", "Dry run done"),
    State.RUNNING: ("正在导入", "Importing"),
    State.DONE: ("已导入", "Imported"),
    State.CANCELLED: ("已停止", "Stopped"),
    State.FAILED: ("未完成", "Broken off"),
    State.UNDOING: ("正在撤销", "Being undone"),
    State.UNDONE: ("已撤销", "Undone"),
}
WORKING: Final = frozenset({State.CHECKING, State.RUNNING, State.UNDOING})
_NOT_BEGUN: Final = frozenset({State.UPLOADED, State.CHECKED})
_BROKEN_OFF: Final = frozenset({State.CANCELLED, State.FAILED})

ACTIONS: Final[dict[str, frozenset[State]]] = {
    "describe": _NOT_BEGUN,
    "check": _NOT_BEGUN,
    "start": _NOT_BEGUN | _BROKEN_OFF,
    "cancel": WORKING - {State.UNDOING},
    "undo": frozenset({State.DONE}) | _BROKEN_OFF,
    "discard": _NOT_BEGUN,
}
"""Action → the states in which it is allowed. `start` after a stop goes on where it stopped."""


_OF_THE_FILE: Final = frozenset({"describe", "check", "start"})


def allowed(action: str, state: str, *, has_file: bool = True) -> bool:
    """Whether an action is possible in a state; has_file: whether the file is still kept."""
    return State(state) in ACTIONS[action] and (has_file or action not in _OF_THE_FILE)


def actions_in(state: str, *, has_file: bool = True) -> list[str]:
    """The actions possible in a state."""
    return [action for action in ACTIONS if allowed(action, state, has_file=has_file)]


def neutralise(cell: str) -> str:
    """A cell as exported: text a spreadsheet would run as a formula gets a leading apostrophe."""
    return f"'{cell}" if cell.startswith(_FORMULA_LEADS) else cell
