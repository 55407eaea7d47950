"""Facts about processes from /proc: who runs, since when, and how to wait for an end."""

import os
import signal
import time
from pathlib import Path


def start_ticks(pid: int) -> int | None:
    """Start time of a live process in clock ticks since boot; None when there is none (or a zombie).

    A pid alone says nothing, since the kernel hands the number out again: pid and start time together name
    one process for good.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name in brackets may hold spaces
    if fields[0] in ("Z", "X"):
        return None
    return int(fields[19])


def same_process(pid: int, ticks: int) -> bool:
    """Whether the process that had this pid and start time still runs."""
    return start_ticks(pid) == ticks


def working_folder(pid: int) -> Path | None:
    """Working folder of a process, None when it is gone or not ours to see."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def wait_gone(pid: int, ticks: int, seconds: float) -> bool:
    """Wait until that very process has ended. True when it has."""
    deadline = time.monotonic() + seconds
    while same_process(pid, ticks):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def end(pid: int, ticks: int, first: signal.Signals, seconds: float, *, group: bool = False) -> None:
    """Ask that very process to end, and after `seconds` make it. With `group`, its whole process group."""
    for number, patience in ((first, seconds), (signal.SIGKILL, 5.0)):
        if not same_process(pid, ticks):
            break
        _send(pid, number, group=group)
        if wait_gone(pid, ticks, patience):
            break
    if group:  # what it left behind in its group
        _send(pid, signal.SIGKILL, group=True)


def _send(pid: int, number: signal.Signals, *, group: bool) -> None:
    try:
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return
