"""What this machine knows about its clock: chrony's tracking, NTP servers, else the kernel's own word.

Every offset is reference minus own clock in milliseconds: positive when the own clock is behind. Where
nothing is known the state is `unsynchronised` and the offset null: never a guess.
"""

import ctypes
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.common import clock_ntp
from services.common.clock import rfc3339, utc_now
from services.common.problems import Problem

_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000
_TIME_ERROR = 5
_LEAPS = {"Normal": 0, "Insert second": 1, "Delete second": 2, "Not synchronised": 3}


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2)."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_sec", ctypes.c_long),
        ("time_usec", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("rest", ctypes.c_long * 32),
    ]


def clock_state(ntp_servers: Sequence[str] = ()) -> dict[str, Any]:
    """{source, state: synchronised|unsynchronised, offset_ms|null, measured_at, …}. Blocks up to 3 s.

    With NTP servers their answers are recorded even where chrony runs, under `ntp`: a second opinion.
    """
    asked = clock_ntp.measure(ntp_servers) if ntp_servers else None
    chrony = _chrony()
    if chrony and (chrony["state"] == "synchronised" or not asked):
        found = chrony | ({"ntp": asked} if asked else {})
    else:
        found = asked or _kernel()
    return {**found, "measured_at": rfc3339(utc_now())}


def _chrony() -> dict[str, Any] | None:
    program = shutil.which("chronyc")
    if not program:
        return None
    try:
        done = subprocess.run(
            [program, "-c", "tracking"], capture_output=True, text=True, timeout=2, check=True
        )
        # refid, name, stratum, reference time, system time correction (s, positive: slow), last offset, RMS
        # offset, frequency, residual, skew, root delay (s), root dispersion (s), update interval, leap status
        fields = done.stdout.strip().split(",")
        offset, delay, dispersion = (float(fields[at]) * 1000 for at in (4, 10, 11))
        stratum, leap = int(fields[2]), _LEAPS[fields[13]]
    except (OSError, subprocess.SubprocessError, ValueError, IndexError, KeyError):
        # No answer from the daemon: fall back to what others say.
        return None
    if leap == _LEAPS["Not synchronised"]:
        return {"source": "chrony", "state": "unsynchronised", "offset_ms": None, "leap": leap}
    return {
        "source": f"chrony:{fields[1] or fields[0]}",
        "state": "synchronised",
        "offset_ms": round(offset, 3),
        "dispersion_ms": round(dispersion, 3),
        "root_delay_ms": round(delay, 3),
        "stratum": stratum,
        "leap": leap,
    }


def _kernel() -> dict[str, Any]:
    timex = _Timex()
    answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if answer < 0 or answer == _TIME_ERROR or timex.status & _STA_UNSYNC:
        return {"source": "kernel", "offset_ms": None, "state": "unsynchronised"}
    unit = 1e6 if timex.status & _STA_NANO else 1e3
    return {
        "source": "kernel",
        "offset_ms": round(timex.offset / unit, 3),
        "dispersion_ms": round(timex.maxerror / 1000, 3),
        "state": "synchronised",
    }


def worst_offset_ms(clock: Mapping[str, Any]) -> float | None:
    """The largest offset any source measured; None when none did."""
    known = [clock.get("offset_ms"), (clock.get("ntp") or {}).get("offset_ms")]
    return max((abs(offset) for offset in known if offset is not None), default=None)


def refuse_wrong_clock(clock: Mapping[str, Any], limit_ms: float) -> None:
    """Raise Problem 503 `capture.clock_wrong` when a source says the clock is off by more than `limit_ms`."""
    worst = worst_offset_ms(clock)
    if worst is not None and worst > limit_ms:
        raise Problem(
            "capture.clock_wrong",
            503,
            zh=f"本机时钟偏差 {worst / 1000:.1f} 秒,超过允许的 {limit_ms / 1000:g} 秒,暂停取证",
            en=f"the clock is off by {worst / 1000:.1f} s (allowed {limit_ms / 1000:g} s): no captures",
            todo_zh="请通知系统管理员校准时钟(chrony/NTP);恢复后系统自动继续",
            todo_en="tell the system administrator to set the clock (chrony/NTP); it goes on by itself then",
            extra={"offset_ms": worst, "limit_ms": limit_ms},
        )


@dataclass(frozen=True)
class ClockWatch:
    """Wall clock against one that nobody can set (CLOCK_BOOTTIME goes on while the machine sleeps)."""

    wall: float
    boot: float

    @classmethod
    def begin(cls) -> "ClockWatch":
        """Both read now."""
        return cls(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))

    def step_ms(self) -> float:
        """By how much the wall clock was set meanwhile; slewing by NTP stays below 1 ms in 2 s."""
        wall, boot = time.time() - self.wall, time.clock_gettime(time.CLOCK_BOOTTIME) - self.boot
        return round((wall - boot) * 1000, 3)


def refuse_stepped_clock(step_ms: float, limit_ms: float) -> None:
    """Raise Problem 503 `capture.clock_stepped` when the clock was set by more than `limit_ms` meanwhile."""
    if abs(step_ms) > limit_ms:
        raise Problem(
            "capture.clock_stepped",
            503,
            zh=f"采集过程中本机时钟被调整了 {step_ms / 1000:.1f} 秒,本次采集作废并自动重试",
            en=f"the clock was set by {step_ms / 1000:.1f} s during the capture; it is tried again",
            extra={"step_ms": step_ms, "limit_ms": limit_ms},
        )
