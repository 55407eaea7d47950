"""Telling the store what holds for each item; the table remembers what is still to be done."""

import asyncio

import structlog

from services.common.problems import Problem
from services.evidence.retention import repository, service
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
        count, tried = 0, set[str]()
        while True:
            async with self._runtime.database.transaction() as session:
                due = [one for one in await repository.pending(session, _AT_ONCE) if one not in tried]
            if not due:
                return count
            for evidence_id in due:
                tried.add(evidence_id)
                count += await self._apply(evidence_id)

    async def _apply(self, evidence_id: str) -> bool:
        try:
            return await service.apply(self._runtime, evidence_id)
        except Problem as problem:
            if problem.status == 503 and problem.code != "evidence.store_unlocked":
                raise
            log.error("retention.refused", evidence_id=evidence_id, code=problem.code)
        except LookupError as error:
            log.error("retention.no_rule", evidence_id=evidence_id, reason=str(error))
        return False
