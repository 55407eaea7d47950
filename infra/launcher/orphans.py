"""No process outlives the platform: what a killed launcher or a crashed child left behind is ended."""

import contextlib
import ctypes
import json
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from infra.embedded import process

PR_SET_CHILD_SUBREAPER = 36


def adopt() -> None:
    """Become the parent of our children's orphans, prctl(2): so that they can be found, ended and reaped."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children_of(parent: int) -> dict[int, str]:
    """Pid → state letter of every direct child of a process."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        if int(fields[1]) == parent:
            found[int(entry.name)] = fields[0]
    return found


def reap(known: Iterable[int], seen: set[int]) -> set[int]:
    """Collect adopted processes that have ended. `known` are our own children, waited for elsewhere.

    Only one that was a zombie the last time too (`seen`) is taken: a child of our own that ends in the very
    moment of its start must be left to its waiter. Returns the zombies to pass as `seen` the next time.
    """
    zombies = {pid for pid, state in children_of(os.getpid()).items() if state == "Z"} - set(known)
    for pid in zombies & seen:
        os.waitpid(pid, os.WNOHANG)
    return zombies - seen


def end_adopted(known: Iterable[int], patience: float = 3.0) -> int:
    """End every process that became ours by adoption, after all children have stopped. Returns how many."""
    mine = set(known)
    ended: set[int] = set()
    deadline = time.monotonic() + patience
    while True:
        left = {pid: state for pid, state in children_of(os.getpid()).items() if pid not in mine}
        if not left:
            return len(ended)
        late = time.monotonic() > deadline
        for pid, state in left.items():
            if state == "Z":
                os.waitpid(pid, os.WNOHANG)
            elif late or pid not in ended:
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                ended.add(pid)
        time.sleep(0.05)


def kill_group(pid: int) -> None:
    """Kill what a child that has ended left in its process group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nothing left, the usual case


class Register:
    """File naming every child by pid and start time: the next launcher finds those of a killed one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rows: dict[str, tuple[int, int]] = {}

    def add(self, name: str, pid: int) -> None:
        """Note a child that has just been started."""
        ticks = process.start_ticks(pid)
        if ticks is not None:
            self._rows[name] = (pid, ticks)
            # On a full disk the child still ends with its launcher, by the kernel's signal.
            with contextlib.suppress(OSError):
                self._write()

    def clear(self) -> None:
        """Forget all, after an orderly stop."""
        self._rows.clear()
        self._write()

    def end_left_over(self, patience: float = 8.0) -> list[str]:
        """End children of a launcher that was killed. Returns their names.

        A pid that was handed out again is recognised by its start time and left alone.
        """
        rows = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        alive = {
            name: (pid, ticks) for name, (pid, ticks) in rows.items() if process.same_process(pid, ticks)
        }
        for pid, _ in alive.values():
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        for pid, ticks in alive.values():
            if not process.wait_gone(pid, ticks, max(0.0, deadline - time.monotonic())):
                process.end(pid, ticks, signal.SIGKILL, 5.0, group=True)
        self.clear()
        return sorted(alive)

    def _write(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(self._rows), encoding="utf-8")
        fresh.replace(self._file)
