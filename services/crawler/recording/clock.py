"""What the machine knows about its clock: chrony's tracking, else the kernel's own state."""

import ctypes
import shutil
import subprocess
from typing import Any

_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000
_TIME_ERROR = 5


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


def clock_state() -> dict[str, Any]:
    """{source, state: synchronised|unsynchronised, offset_ms|null, …}: honest, never a guess."""
    return _chrony() or _kernel()


def _chrony() -> dict[str, Any] | None:
    program = shutil.which("chronyc")
    if not program:
        return None
    try:
        done = subprocess.run(
            [program, "-c", "tracking"], capture_output=True, text=True, timeout=2, check=True
        )
        # chronyc -c tracking: id, name, stratum, ref time, system time offset (s), …, leap status last
        fields = done.stdout.strip().split(",")
        offset, stratum, leap = float(fields[4]), int(fields[2]), fields[-1]
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        # No answer from the daemon: fall back to what the kernel says.
        return None
    return {
        "source": f"chrony:{fields[1]}",
        "offset_ms": round(offset * 1000, 3),
        "stratum": stratum,
        "state": "unsynchronised" if leap == "Not synchronised" else "synchronised",
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
        "max_error_ms": round(timex.maxerror / 1000, 3),
        "state": "synchronised",
    }
