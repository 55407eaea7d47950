"""Renewal by itself: the evidence process looks every few hours for what is due."""

import asyncio

import structlog

from services.common.problems import Problem
from services.evidence.renewals.service import Renewer
from services.evidence.runtime import Runtime

log = structlog.get_logger()

EVERY_SECONDS = 6 * 3600.0
_FIRST_SECONDS = 60.0


class RenewalJobs:
    """Runs the renewer. days: how long before its end a proof of time is renewed."""

    def __init__(self, runtime: Runtime, days: int) -> None:
        self._runtime, self._days = runtime, days
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, a minute from now: sealing that was interrupted goes first."""
        self._task = asyncio.create_task(self._loop(), name="renewals")

    async def stop(self) -> None:
        """Stop; the next start goes on."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _loop(self) -> None:
        await asyncio.sleep(_FIRST_SECONDS)
        while True:
            await self.run_once()
            await asyncio.sleep(EVERY_SECONDS)

    async def run_once(self) -> int:
        """Renew what is due; gives how many. A failure is logged and tried again the next time."""
        try:
            outcome = await Renewer.of(self._runtime).run(self._days)
        except Problem as problem:
            log.warning("renewal.waits", code=problem.code, error=problem.en)
            return 0
        except Exception as error:
            log.error("renewal.failed", exc_info=error)
            return 0
        if outcome.count:
            self._runtime.log.wake(urgent=False)
            log.info("renewal.done", **{kind: len(ids) for kind, ids in outcome.renewed.items()})
        for evidence_id, reason in outcome.failed.items():
            log.error("renewal.not_possible", evidence_id=evidence_id, reason=reason)
        return outcome.count
