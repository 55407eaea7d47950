"""期限规则 pure arithmetic of statutory limits.

Laws:
- The day of the event is not counted (民法典 §201; this and §203 cited from memory).
- A limit in working days ends on the n-th working day after the event: `count_working(start, end) = n`
  and `end` is a working day, for n ≥ 1.
- A limit in calendar days ends n days after the event; when that day is no working day, on the next
  working day (民法典 §203).
- Working days are the calendar's: Monday to Friday, except holidays, plus the adjusted weekends (调休) of the
  State Council's yearly notice. A year without its notice is reckoned by weekends alone, and the result
  says so (`provisional`).
- Dates are China's: a limit ends at 24:00 Beijing time of its last day.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from typing import Final

# China keeps one time and has had no summer time since 1991; a fixed offset needs no zone files.
BEIJING: Final = timezone(timedelta(hours=8), "Asia/Shanghai")


class Unit(StrEnum):
    """Unit of a limit."""

    WORK_DAY = "work_day"
    CALENDAR_DAY = "calendar_day"


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A day that differs from its weekday: a holiday (`working` False) or an adjusted weekend (True)."""

    day: date
    working: bool


class DayCalendar:
    """Working days of the years whose notice is known."""

    def __init__(self, days: Iterable[SpecialDay], years: Iterable[int]) -> None:
        self._special = {d.day: d.working for d in days if d.working == (d.day.weekday() >= 5)}
        self._days = sorted(self._special)
        total, self._sums = 0, [0]
        for day in self._days:
            total += 1 if self._special[day] else -1
            self._sums.append(total)
        self._years = frozenset(years)

    def is_working(self, day: date) -> bool:
        """Whether a day is a working day."""
        return self._special.get(day, day.weekday() < 5)

    def knows(self, first: date, last: date) -> bool:
        """Whether the notices of all years from `first` to `last` are loaded."""
        return all(year in self._years for year in range(first.year, last.year + 1))

    def count_working(self, start: date, end: date) -> int:
        """Working days after `start` up to and including `end`; 0 when `end` is not after `start`."""
        if end <= start:
            return 0
        weeks, rest = divmod((end - start).days, 7)
        weekdays = weeks * 5 + sum((start.weekday() + i) % 7 < 5 for i in range(1, rest + 1))
        special = self._sums[bisect_right(self._days, end)] - self._sums[bisect_right(self._days, start)]
        return weekdays + special

    def nth_working(self, start: date, length: int) -> date:
        """The `length`-th working day after `start`. Raises ValueError for a length below 1."""
        if length < 1:
            raise ValueError("a limit has at least one day")
        low, high = 1, 2 * length + 14
        while self.count_working(start, start + timedelta(days=high)) < length:
            high *= 2
        while low < high:
            middle = (low + high) // 2
            if self.count_working(start, start + timedelta(days=middle)) >= length:
                high = middle
            else:
                low = middle + 1
        return start + timedelta(days=low)

    def working_from(self, day: date) -> date:
        """`day` itself when it is a working day, else the next one."""
        return day if self.is_working(day) else self.nth_working(day, 1)


@dataclass(frozen=True, slots=True)
class Rule:
    """One dated rule of a limit; law is data, this is its shape."""

    code: str
    zh: str
    en: str
    unit: Unit
    length: int
    law: str
    article: str
    source: str
    verified: bool
    effective_from: date
    effective_to: date | None


@dataclass(frozen=True, slots=True)
class Due:
    """Result of a rule: the last day, the moment it ends (UTC), and whether a year's notice was missing."""

    last_day: date
    due_at: datetime
    provisional: bool


def in_force(rules: Iterable[Rule], code: str, day: date) -> Rule:
    """The rule `code` in force on a day. Raises LookupError when there is none, or more than one."""
    found = [
        r
        for r in rules
        if r.code == code and r.effective_from <= day and (r.effective_to is None or day < r.effective_to)
    ]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rules {code} in force on {day.isoformat()}")
    return found[0]


def beijing_day(moment: datetime) -> date:
    """The calendar day of a moment in China."""
    return moment.astimezone(BEIJING).date()


def due(rule: Rule, event: datetime, calendar: DayCalendar) -> Due:
    """When the limit of `rule` ends for an event at a moment (aware)."""
    start = beijing_day(event)
    if rule.unit is Unit.WORK_DAY:
        last = calendar.nth_working(start, rule.length)
    else:
        last = calendar.working_from(start + timedelta(days=rule.length))
    ends = datetime.combine(last + timedelta(days=1), time(), BEIJING).astimezone(UTC)
    return Due(last, ends, provisional=not calendar.knows(start, last))
