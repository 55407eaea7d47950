"""Work that is done now and again in the background of a service, and at once when it is woken."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()


class Recurring:
    """One background task. What its work raises is logged, and the work is done again the next time.

    name: of the task, and of its log lines; every: seconds from one time to the next, asked for each time;
    first: seconds before the first time.
    """

    def __init__(
        self, name: str, work: Callable[[], Awaitable[object]], every: Callable[[], float], first: float = 0.0
    ) -> None:
        self._name, self._work, self._every, self._first = name, work, every, first
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Stop; what is left is done at the next start."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Something changed: do it now."""
        self._wake.set()

    async def _run(self) -> None:
        await asyncio.sleep(self._first)
        while True:
            try:
                await self._work()
            except Exception as error:
                # Database or store away: what is to be done stays there.
                log.error(f"{self._name}.failed", exc_info=error)
            try:
                async with asyncio.timeout(self._every()):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()
