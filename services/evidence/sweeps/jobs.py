"""Running sweeps inside the evidence service, which is where the objects are; the table says when."""

import asyncio

import structlog

from services.evidence.sweeps.runner import SweepRunner

log = structlog.get_logger()

EVERY_SECONDS = 5.0


class SweepJobs:
    """One background task of the evidence service."""

    def __init__(self, runner: SweepRunner) -> None:
        self._runner = runner
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for sweeps that were asked for or were cut short."""
        self._task = asyncio.create_task(self._run(), name="sweeps")

    async def stop(self) -> None:
        """Stop; a sweep under way goes on at the next start, where it was."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """One was asked for: look now."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._runner.run_next()
            except Exception as error:
                # The database may be away: the sweep's row is there when it comes back.
                log.error("sweep.failed", exc_info=error)
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()
