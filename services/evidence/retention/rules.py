"""Until when an item is kept (pure).

Laws: the last day is the same day of the year `years` later, China's time, and the item is kept until that
day is over; 29 February becomes 1 March. A later rule or category may extend a retention, never shorten it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Protocol, TypeVar

_BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")

CASE = "case"
"""Category of evidence that a clue or case stands on; everything else is a mere `capture`."""


@dataclass(frozen=True)
class Reckoned:
    """What holds for an item as its row stood: hold and category tell whether it has changed since."""

    evidence_id: str
    category: str
    hold_at: datetime | None
    rule_id: int | None
    until: datetime | None


class Dated(Protocol):
    """What the choice of a rule looks at."""

    category: str
    effective_from: date
    effective_to: date | None


R = TypeVar("R", bound=Dated)


def in_force(rules: Iterable[R], category: str, moment: datetime) -> R:
    """The rule of a category in force at a moment. Raises LookupError unless there is exactly one."""
    day = moment.astimezone(_BEIJING).date()
    found = [
        rule
        for rule in rules
        if rule.category == category
        and rule.effective_from <= day
        and (rule.effective_to is None or day < rule.effective_to)
    ]
    if len(found) != 1:
        raise LookupError(f"{len(found)} retention rules for {category} on {day.isoformat()}")
    return found[0]


def keep_until(sealed_at: datetime, years: int) -> datetime:
    """The moment (UTC) the retention of an item sealed at a moment ends."""
    day = sealed_at.astimezone(_BEIJING).date()
    try:
        last = day.replace(year=day.year + years)
    except ValueError:
        last = date(day.year + years, 3, 1)
    return datetime.combine(last + timedelta(days=1), time(), _BEIJING).astimezone(UTC)


def extended(until: datetime | None, wanted: datetime) -> datetime:
    """The later of both."""
    return wanted if until is None else max(until, wanted)
