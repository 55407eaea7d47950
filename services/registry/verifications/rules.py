"""复核规则 pure decisions about checks: when one is due, what its result says of the presence, who may.

Laws:
- a presence has at most one open check of a class (the database sees to it);
- a check is due so many days after the last one of its class; presences never checked are spread evenly over
  the plan's interval from the day the plan began, so that no day has them all;
- a dead link found makes an active presence dead, a living one found makes a dead one active; no check weeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.common.identity import Claims
from services.common.scope import region_covers
from services.common.workflow import Caller
from services.registry.verifications.machine import STATUS, Standing

AHEAD: Final = timedelta(days=30)
"""Checks are written down this long before they are due."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a result changes of the presence: whether its link is alive (None: not told), its next status."""

    alive: bool | None
    status: str
    action: str | None


def due_at(last: datetime | None, began: datetime, every_days: int, no: int) -> datetime:
    """When a presence is due: `every_days` after the last check, else on its day of the first round."""
    if last is not None:
        return last + timedelta(days=every_days)
    return began + timedelta(days=no % every_days)


def outcome(check_class: str, action: str, status: str) -> Outcome:
    """What a check's result does to a presence with this status."""
    if check_class != "dead_link" or action not in {"pass", "fail"}:
        return Outcome(None, status, None)
    alive = action == "pass"
    step = "revive" if alive else "lapse"
    for transition in STATUS.from_state(status):
        if transition.action == step:
            return Outcome(alive, transition.target, step)
    return Outcome(alive, status, None)


def caller_of(claims: Claims, region: str) -> Caller:
    """The caller as the state machines need him."""
    here = frozenset({Standing.HERE}) if region_covers(claims.region, region) else frozenset[str]()
    return Caller(permissions=claims.permissions, relations=here)
