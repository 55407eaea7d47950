"""The authorities as witnesses of the own clock: every stamp says when it was made. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.common.problems import Problem

LIMIT_MS = 1000.0
_FRESH = timedelta(minutes=10)
_WHOLE_SECOND_MS = 1000.0


@dataclass(frozen=True)
class Sighting:
    """What one stamp said. delta_ms: genTime minus own clock; whole: genTime has no fraction."""

    at: datetime
    delta_ms: float
    accuracy_ms: float
    round_trip_ms: float
    whole: bool

    @property
    def excess_ms(self) -> float:
        """By how much own clock and authority disagree beyond what accuracy, way and rounding explain."""
        slack = self.accuracy_ms + self.round_trip_ms / 2
        lowest = -slack - (_WHOLE_SECOND_MS if self.whole else 0.0)
        return max(lowest - self.delta_ms, self.delta_ms - slack, 0.0)


def clock_disagreement_ms(sightings: Iterable[Sighting | None], now: datetime) -> float | None:
    """The smallest excess of the authorities heard lately when more than half of them exceed the limit.

    None when the clock is in order or no authority was heard in the last ten minutes of the own clock.
    """
    fresh = [seen for seen in sightings if seen and abs(now - seen.at) < _FRESH]
    wrong = [seen.excess_ms for seen in fresh if seen.excess_ms > LIMIT_MS]
    return min(wrong) if 2 * len(wrong) > len(fresh) else None


def clock_disagrees(excess_ms: float) -> Problem:
    """503: the authorities say another time than this machine."""
    return Problem(
        "evidence.clock_disagrees",
        503,
        zh=f"本机时钟与可信时间戳机构相差 {excess_ms / 1000:.1f} 秒,暂停受理新的取证",
        en=f"this machine's clock and the time-stamping authorities differ by {excess_ms / 1000:.1f} s",
        todo_zh="请通知系统管理员校准时钟;恢复后系统自动继续",
        todo_en="tell the system administrator to set the clock; it goes on by itself then",
        extra={"excess_ms": round(excess_ms, 3)},
    )
