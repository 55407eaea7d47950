"""The step log: what was done to the page, by whom; each line carries the hash of the one before."""

import hashlib
import time
from typing import Any

from services.common.canonical import canonical
from services.common.clock import rfc3339, utc_now
from services.crawler.recording.spool import Spool
from services.crawler.recording.tidy import tidy

PATH = "evidence/steps.jsonl"
_MAX_LINES = 5000


class StepLog:
    """Collects steps; `write` makes the artefact. Times are UTC with a monotonic millisecond beside them.

    start: the hex digest the chain begins with (the order's leaf in the log), so a log cannot be moved to
    another order unnoticed.
    """

    def __init__(self, start: str) -> None:
        self._prev = start
        self._began = time.monotonic()
        self._lines: list[bytes] = []
        self._dropped = 0

    @property
    def head(self) -> str:
        """Hex SHA-256 of the newest line."""
        return self._prev

    def add(self, op: str, *, actor: str = "worker", **args: Any) -> None:
        """Append a step. `args` are JSON values. A page that causes endless steps only raises a count."""
        if len(self._lines) >= _MAX_LINES:
            self._dropped += 1
            return
        line = canonical(
            {
                "seq": len(self._lines),
                "t": rfc3339(utc_now()),
                "ms": round((time.monotonic() - self._began) * 1000),
                "actor": actor,
                "op": op,
                "args": tidy(args),
                "prev": self._prev,
            }
        )
        self._prev = hashlib.sha256(line).hexdigest()
        self._lines.append(line)

    def write(self, spool: Spool) -> None:
        """Write evidence/steps.jsonl."""
        if self._dropped:
            dropped, self._dropped, self._lines = self._dropped, 0, self._lines[: _MAX_LINES - 1]
            self._prev = hashlib.sha256(self._lines[-1]).hexdigest()
            self.add("steps_dropped", count=dropped + 1)
        spool.write(PATH, "steps", "application/jsonl", b"".join(line + b"\n" for line in self._lines))
