"""Steps as they happen, from the worker into the table, in order and without holding the capture up."""

import asyncio
import time
from typing import Any, Literal

from services.common.clock import utc_now
from services.common.database import Database
from services.crawler.captures import repository
from services.crawler.captures.rules import STEPS
from services.crawler.recording.tidy import tidy


class StepWriter:
    """Writes one attempt's steps. At most one step runs at a time: starting the next ends the one before."""

    def __init__(self, database: Database, capture_id: str, attempt: int) -> None:
        self._database, self._capture_id, self._attempt = database, capture_id, attempt
        self._events: asyncio.Queue[tuple[str, str, dict[str, Any], float] | None] = asyncio.Queue()
        self._running: tuple[str, int, float] | None = None
        self._task = asyncio.ensure_future(self._write())

    def tell(self, op: str, state: Literal["running", "done", "failed"], detail: dict[str, Any]) -> None:
        """Note a change of a step; returns at once."""
        self._events.put_nowait((op, state, tidy(detail), time.monotonic()))

    def fail_running(self, reason: dict[str, Any]) -> None:
        """Note that the step now running failed; nothing when none is."""
        self._events.put_nowait(("", "failed", tidy(reason), time.monotonic()))

    async def close(self) -> None:
        """Write what is left. Raises what the database raised."""
        self._events.put_nowait(None)
        await self._task

    def stop(self) -> None:
        """Write no more (what is still waiting belongs to an attempt that is over)."""
        self._task.cancel()

    async def _write(self) -> None:
        while (event := await self._events.get()) is not None:
            await self._apply(*event)

    async def _apply(self, op: str, state: str, detail: dict[str, Any], at: float) -> None:
        async with self._database.transaction() as session:
            if self._running and (state == "running" or self._running[0] != op):
                (_, seq, began), self._running = self._running, None
                end, given = ("done", {}) if op else ("failed", detail)
                await repository.end_step(
                    session, self._capture_id, seq, end, round((at - began) * 1000), given
                )
            if not op:
                return
            if self._running is None:
                zh, en = STEPS[op]
                number = await repository.start_step(
                    session,
                    self._attempt,
                    {"capture_id": self._capture_id, "op": op, "state": "running", "zh": zh, "en": en,
                     "at": utc_now(), "detail": detail},
                )  # fmt: skip
                if number is None:
                    return  # the lease is lost: another worker writes the steps now
                self._running = (op, number, at)
            if state != "running":
                _, seq, began = self._running
                self._running = None
                await repository.end_step(
                    session, self._capture_id, seq, state, round((at - began) * 1000), detail
                )
