"""One capture from an empty context to written artefacts. Whatever the page does, there is a record of it."""

import asyncio
import errno
import time
from datetime import datetime
from typing import Any

from playwright.async_api import BrowserContext

from services.common.clock import utc_now
from services.common.clock_state import ClockWatch, refuse_stepped_clock
from services.crawler.egress.proxy import EgressProxy
from services.crawler.jail.browser import JailedBrowser, lost_browser
from services.crawler.recording.clock import CaptureClock
from services.crawler.recording.collecting import archive, collect, keep_rejected_certificate
from services.crawler.recording.exchanges import Exchange
from services.crawler.recording.findings import Findings, Job, Progress, Recorded, target_of
from services.crawler.recording.judge import judge
from services.crawler.recording.network import NetworkRecorder
from services.crawler.recording.page_view import PageView
from services.crawler.recording.records import environment_record, write_records
from services.crawler.recording.spool import Spool
from services.crawler.recording.visit import Arrival, Visit
from services.crawler.settings import CaptureLimits, get_crawler_settings

_QUIET = 0.15  # seconds without network activity that count as settled
_SETTLE_SECONDS = 5.0
_IMAGE_SECONDS = 5.0
_HANG_SECONDS = 3.0
_GRACE_SECONDS = 20.0


class CaptureSession:
    """Runs one job in the jailed browser and writes its artefacts to the spool."""

    def __init__(
        self,
        job: Job,
        jail: JailedBrowser,
        proxy: EgressProxy,
        spool: Spool,
        limits: CaptureLimits,
        progress: Progress,
        clock: CaptureClock | None = None,
    ) -> None:
        self._job, self._jail, self._proxy = job, jail, proxy
        self._limits, self._progress, self._clock = limits, progress, clock or CaptureClock()
        self.found = Findings.of(job, spool, limits)
        self._began = time.monotonic()

    async def run(self) -> Recorded:
        """Capture. Raises only when cancelled, or when the clock, the disk or the jail itself fails."""
        clock = await self._clock.measured()
        started, self._began, watch = utc_now(), time.monotonic(), ClockWatch.begin()
        self._progress("clean_check", "running", {})
        try:
            context, before = await self._jail.open_context()
            try:
                await self._guarded(context, before)
            finally:
                self._proxy.end(self.found.ledger)
                await self._jail.close_context(context)
            return await self._conclude(started, {**clock, **_watched(watch)})
        finally:
            self.found.bodies.close()

    async def _guarded(self, context: BrowserContext, before: int) -> None:
        limit = self._limits.budget_seconds + self._limits.collect_seconds + _GRACE_SECONDS
        try:
            async with asyncio.timeout(limit):
                await self._capture(context, before)
        except TimeoutError:
            self.found.seen.stuck = True
            self.found.steps.add("browser_ended", reason="deadline")
            await self._jail.discard()
        except Exception as error:
            if not lost_browser(error):
                raise
            self.found.seen.crashed = True
            self.found.note_error("browser", str(error))
            await self._jail.discard()
        else:
            if self.found.seen.crashed:
                await self._jail.discard()

    def _left(self) -> float:
        return max(0.5, self._limits.budget_seconds - (time.monotonic() - self._began))

    async def _capture(self, context: BrowserContext, before: int) -> None:
        found = self.found
        visit = await self._prepare(context)
        found.environment = await asyncio.to_thread(environment_record, self._jail, self._limits, before)
        checks = found.environment["cleanliness"]
        found.steps.add("clean_check", passed=[c["check"] for c in checks if c["ok"]])
        if any(c["check"] == "disk" and not c["ok"] for c in checks):
            raise OSError(errno.ENOSPC, "not enough room for evidence")
        self._progress("clean_check", "done", {"checks": checks, **self._jail.mode.facts()})
        if await self._load(visit):
            view = PageView(visit.cdp, self._limits)
            await self._scroll(visit, view)
            await collect(found, visit, view, self._progress)

    async def _prepare(self, context: BrowserContext) -> Visit:
        found = self.found
        page = await context.new_page()
        cdp = await context.new_cdp_session(page)
        recorder = NetworkRecorder(cdp, found.bodies, self._limits, found.stop)
        visit = found.visit = Visit(
            context, page, cdp, recorder, found.bodies, found.spool, found.steps, self._limits, found.crashed
        )
        await asyncio.gather(
            recorder.start(context), visit.prepare(), cdp.send("Page.enable"), cdp.send("DOM.enable")
        )
        return visit

    async def _load(self, visit: Visit) -> bool:
        """Open the page; gives whether there is something to look at."""
        found, seen = self.found, self.found.seen
        self._progress("load", "running", {})
        found.ledger = self._proxy.begin(
            self._job.capture_id, max_bytes=self._limits.max_bytes, seconds=self._limits.budget_seconds
        )
        arrival = await visit.go(self._job.url, min(self._limits.load_seconds, self._left()))
        if visit.download is not None:
            await visit.finish_download(self._left())
        main = found.main
        seen.net_error, seen.timed_out = arrival.net_error, arrival.timed_out
        # Without its forwarder the browser reaches nothing: that is our fault and not the site's.
        seen.crashed = seen.crashed or arrival.crashed or arrival.net_error == "ERR_PROXY_CONNECTION_FAILED"
        seen.http_status = main.status if main else None
        found.steps.add("loaded", status=seen.http_status, error=arrival.net_error)
        shown = self._is_shown(visit, arrival, main)
        if shown and arrival.timed_out:
            shown = await self._wake(visit)
        url = main.url if main else None
        detail = {"status": seen.http_status, "error": arrival.net_error, "url": url}
        self._progress("load", "done" if shown else "failed", detail)
        if not shown and (arrival.net_error or "").startswith(("ERR_CERT", "ERR_SSL")):
            await keep_rejected_certificate(found, self._jail.proxy_address)
        return shown

    def _is_shown(self, visit: Visit, arrival: Arrival, main: Exchange | None) -> bool:
        # Without content the browser stays where it was; its own error pages are not the site's.
        if main is None or self.found.seen.crashed or not visit.page.url.startswith("http"):
            return False
        broken = arrival.net_error not in (None, "ERR_ABORTED") and main.error is not None
        return not broken or main.received > 0

    async def _wake(self, visit: Visit) -> bool:
        """After a time-out: see whether the page still answers; stop a script that never ends."""
        for ask in (True, False):
            try:
                async with asyncio.timeout(_HANG_SECONDS):
                    await visit.cdp.send("Runtime.evaluate", {"expression": "1"})
                    return True
            except TimeoutError:
                if not ask:
                    break
                self.found.seen.hung = True
                self.found.steps.add("script_terminated", reason="no answer")
                await visit.cdp.send("Runtime.terminateExecution")
        self.found.seen.stuck = True
        return False

    async def _scroll(self, visit: Visit, view: PageView) -> None:
        """Scroll down and wait for what that loads; once more when the page grew meanwhile."""
        self._progress("scroll", "running", {})
        start, total = 0, {"steps": 0, "grew": 0}
        got: dict[str, Any] = {"stop_reason": "time"}
        while self._left() > 1:
            got = await view.scroll(self._left() - 0.5, start)
            total = {"steps": total["steps"] + got["steps"], "grew": total["grew"] + got["grew"]}
            await self._settle(visit)
            if got["stop_reason"] != "bottom" or not await self._grew(view, got):
                break
            start = got["bottom"]
        self.found.seen.images_waiting = await self._images(view)
        await view.to_top()
        self.found.seen.scroll = {**got, **total}
        self.found.steps.add(
            "scroll", **self.found.seen.scroll, images_waiting=self.found.seen.images_waiting
        )
        self._progress("scroll", "done", self.found.seen.scroll)

    async def _grew(self, view: PageView, got: dict[str, Any]) -> bool:
        return await view.height() > int(got["height"])

    async def _settle(self, visit: Visit) -> None:
        """Wait until the network is quiet; a page that never is, gets no more than a few seconds."""
        until = time.monotonic() + min(_SETTLE_SECONDS, self._left())
        recorder = visit.recorder
        while time.monotonic() < until:
            quiet = time.monotonic() - recorder.last_activity
            if recorder.in_flight == 0 and quiet >= _QUIET:
                return
            await asyncio.sleep(0.03)
        self.found.steps.add("not_settled", in_flight=recorder.in_flight)

    async def _images(self, view: PageView) -> int:
        until = time.monotonic() + min(_IMAGE_SECONDS, self._left())
        while True:
            waiting = (await view.images())["waiting"]
            if waiting == 0 or time.monotonic() > until:
                return waiting
            await asyncio.sleep(0.1)

    async def _conclude(self, started: datetime, clock: dict[str, Any]) -> Recorded:
        """Judge and write what is written of every capture, however it went."""
        found, seen, visit = self.found, self.found.seen, self.found.visit
        if visit:
            await visit.recorder.finish(1.0)
            seen.forbidden = bool(visit.forbidden)
            seen.missing.extend(_missing_bodies(found.exchanges))
            if visit.download:
                seen.download_complete = visit.download.complete
            asked = target_of(found.documents[-1].url) if found.documents else None
            seen.connection = found.ledger.last_for(asked) if asked else None
        if found.ledger.limit not in (None, "ended"):
            seen.limit = seen.limit or found.ledger.limit
        await archive(found)
        return await asyncio.to_thread(write_records, found, judge(seen), started, clock)


def _watched(watch: ClockWatch) -> dict[str, Any]:
    """What the clock did meanwhile. Raises Problem 503 `capture.clock_stepped` when it was set."""
    step = watch.step_ms()
    refuse_stepped_clock(step, get_crawler_settings().clock_limit_ms)
    return {"step_ms": step}


def _missing_bodies(exchanges: list[Exchange]) -> list[dict[str, str]]:
    """Answers whose bodies the browser had and we do not; failures of the site itself are not among them."""
    return [
        {"what": e.kind, "name": e.url[:2000], "why": e.missing or ""}
        for e in exchanges
        if e.missing and e.error is None and e.response
    ][:500]
