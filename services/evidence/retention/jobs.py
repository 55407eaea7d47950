"""Telling the store what holds for each item; the table remembers what is still to be done."""

import asyncio

import structlog

from services.common.problems import Problem
from services.common.recurring import Recurring
from services.evidence.retention import service
from services.evidence.retention.rules import Reckoned
from services.evidence.runtime import Runtime

log = structlog.get_logger()

EVERY_SECONDS = 10.0
_AT_ONCE = 200


class RetentionJobs(Recurring):
    """One background task of the evidence service."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__("retention", self.drain, lambda: EVERY_SECONDS)
        self._runtime = runtime

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
