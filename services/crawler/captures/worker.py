"""The capture worker process: one warm browser, its proxy, and the runner, alive as long as the process."""

import asyncio
from pathlib import Path

import structlog

from services.common.client import ServiceClient
from services.common.keys import load_signers
from services.common.queue import worker_database
from services.common.settings import get_settings
from services.crawler.captures import repository
from services.crawler.captures.runner import CaptureRunner
from services.crawler.egress.proxy import EgressProxy
from services.crawler.jail.browser import JailedBrowser
from services.crawler.recording.environment import browser_digest, fonts_digest
from services.crawler.recording.spool import Spool
from services.crawler.settings import get_crawler_settings, get_limits

log = structlog.get_logger()

_REPORT_SECONDS = 15.0


class CaptureWorker:
    """Starts everything once and runs captures with it. Lives on the worker process's event loop."""

    def __init__(self) -> None:
        settings, limits = get_settings(), get_limits()
        self._database = worker_database("crawler")
        self._proxy = EgressProxy(settings.capture_allow)
        self._jail = JailedBrowser(settings.home, self._proxy, get_crawler_settings(), limits)
        self._evidence = ServiceClient(settings, caller="crawler", target="evidence")
        # Made and opened here, so that a key that does not open is said at the start.
        load_signers(settings, "worker")
        self._runner = CaptureRunner(
            settings, self._database, self._evidence, self._jail, self._proxy, limits
        )
        self._reports: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start browser and proxy and hash what every environment record names."""
        chromium = get_crawler_settings().chromium
        await asyncio.gather(
            self._jail.start(),
            asyncio.to_thread(browser_digest, chromium),
            asyncio.to_thread(fonts_digest),
        )
        await self._clear_spool()
        self._reports = asyncio.ensure_future(self._report())

    async def _clear_spool(self) -> None:
        """Remove what a worker that died right after sealing left behind."""
        folder = get_settings().spool_dir
        names = await asyncio.to_thread(_folders, folder)
        async with self._database.transaction() as session:
            over = await repository.ended(session, names)
        for name in over:
            await asyncio.to_thread(Spool(folder / name).remove)

    async def _report(self) -> None:
        """Tell the service now and then that this worker lives and how its browser is held."""
        while True:
            try:
                async with self._database.transaction() as session:
                    await repository.report_worker(session, self._runner.name, self._jail.describe())
            except Exception:
                # The database may be restarting; the next report tells. Captures have their own checks.
                log.warning("worker.report_failed", exc_info=True)
            await asyncio.sleep(_REPORT_SECONDS)

    async def run(self, capture_id: str) -> bool:
        """Run one capture; see CaptureRunner.run."""
        return await self._runner.run(capture_id)

    async def close(self) -> None:
        """End the browser and the connections."""
        if self._reports:
            self._reports.cancel()
        await self._jail.close()
        await self._evidence.close()


def _folders(folder: Path) -> list[str]:
    return [child.name for child in folder.iterdir() if child.is_dir()] if folder.is_dir() else []


_starting: asyncio.Task[CaptureWorker] | None = None


async def the_worker() -> CaptureWorker:
    """This process's worker, started on first use; a failed start is tried anew the next time."""
    global _starting  # noqa: PLW0603 - one browser a process

    async def start() -> CaptureWorker:
        worker = CaptureWorker()
        await worker.start()
        return worker

    if _starting is None or (_starting.done() and _starting.exception() is not None):
        _starting = asyncio.ensure_future(start())
    return await asyncio.shield(_starting)


async def close_the_worker() -> None:
    """End this process's worker if it was started."""
    if _starting is not None and _starting.done() and _starting.exception() is None:
        await _starting.result().close()
