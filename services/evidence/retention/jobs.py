"""Telling the store what holds for each item; the table remembers what is still to be done."""

import asyncio

import structlog

from services.common.problems import Problem
from services.evidence.retention import service
from services.evidence.retention.rules import Reckoned
from services.evidence.runtime import Runtime

log = structlog.get_logger()

EVERY_SECONDS = 10.0
_AT_ONCE = 200


class RetentionJobs:
    """One background task of the evidence service."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        """Stop; what is left is done at the next start."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Something changed: look now."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                await self.drain()
            except Exception as error:
                # Database or store away: the rows stay pending.
                log.error("retention.failed", exc_info=error)
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    async def drain(self) -> int:
        """Apply everything that is pending; gives how many items. Raises Problem 503 as the store."""
        locks = await asyncio.to_thread(lambda: self._runtime.store.locks)
        count, after = 0, ""
        while due := await service.due(self._runtime, after, _AT_ONCE):
            after = due[-1].evidence_id
            if locks:
                for one in due:
                    count += await self._tell(one)
            else:
                # Nothing to be told to a store that does not lock: one statement for all of them.
                count += await service.note(self._runtime, due, locked=False)
        return count

    async def _tell(self, one: Reckoned) -> int:
        try:
            locked = await service.tell_store(self._runtime, one)
        except Problem as problem:
            if problem.code != "evidence.store_unlocked":
                raise
            log.error("retention.refused", evidence_id=one.evidence_id, code=problem.code)
            return 0
        return await service.note(self._runtime, [one], locked=locked)
