"""How long evidence may wait for its time stamp: warn in time, then take no new captures. Pure.

The limits are dated data (`limits.json`): in force is the newest whose `from` is not later than the day.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from services.common.problems import Problem

State = Literal["ok", "warn", "refuse"]


@dataclass(frozen=True)
class Limit:
    """In force from a day on: evidence waits at most `longest`; from `warn` on it is said loudly."""

    start: date
    longest: timedelta
    warn: timedelta


@cache
def limits() -> tuple[Limit, ...]:
    """All limits, oldest first."""
    rows = json.loads(Path(__file__).with_name("limits.json").read_text("utf-8"))["unstamped"]
    found = []
    for row in rows:
        longest = timedelta(hours=row["hours"])
        found.append(Limit(date.fromisoformat(row["from"]), longest, longest * row["warn_at"]))
    return tuple(sorted(found, key=lambda limit: limit.start))


def limit_on(day: date) -> Limit:
    """The limit in force on a day; before the first one, the first."""
    known = [limit for limit in limits() if limit.start <= day]
    return known[-1] if known else limits()[0]


def unstamped_state(oldest_signed_at: datetime | None, now: datetime) -> State:
    """`ok`, `warn` or `refuse` (no new captures) by the age of the oldest signed item without a stamp.

    None: nothing waits. Both times aware.
    """
    if oldest_signed_at is None:
        return "ok"
    limit, age = limit_on(now.astimezone(UTC).date()), now - oldest_signed_at
    if age >= limit.longest:
        return "refuse"
    return "warn" if age >= limit.warn else "ok"


def unstamped_too_long(oldest_signed_at: datetime, now: datetime) -> Problem:
    """503: evidence waits too long for its time stamp, so nothing new is captured."""
    hours = limit_on(now.astimezone(UTC).date()).longest / timedelta(hours=1)
    return Problem(
        "evidence.unstamped_too_long",
        503,
        zh=f"已有证据等待可信时间戳超过 {hours:g} 小时,暂停受理新的取证",
        en=f"evidence has waited for a time stamp for more than {hours:g} hours; no new captures are taken",
        todo_zh="请通知系统管理员恢复可信时间戳服务;恢复后系统自动继续",
        todo_en="tell the system administrator to restore time stamping; all goes on by itself then",
        extra={"oldest_signed_at": oldest_signed_at.isoformat()},
    )
