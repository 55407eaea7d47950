"""One capture from an empty context to written artefacts. Whatever the page does, there is a record of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import structlog
from playwright.async_api import BrowserContext
from playwright.async_api import Error as BrowserError

from services.common.clock import utc_now
from services.crawler.egress.ledger import Ledger
from services.crawler.egress.proxy import EgressProxy
from services.crawler.egress.rules import Target, parse_authority
from services.crawler.jail.browser import JailedBrowser
from services.crawler.recording.archive import Page as ArchivePage
from services.crawler.recording.archive import write_archive
from services.crawler.recording.bodies import BodyStore
from services.crawler.recording.certificates import (
    collect_chains,
    facts_of,
    origin_of,
    rejected_certificate,
    write_chain,
)
from services.crawler.recording.clock import clock_state
from services.crawler.recording.exchanges import Exchange
from services.crawler.recording.judge import Observed, judge
from services.crawler.recording.network import NetworkRecorder
from services.crawler.recording.page_view import PageView
from services.crawler.recording.pictures import Picture, take_pictures
from services.crawler.recording.reasons import Outcome
from services.crawler.recording.records import environment_record, write_records
from services.crawler.recording.spool import Spool
from services.crawler.recording.steps import StepLog
from services.crawler.recording.visit import Visit
from services.crawler.settings import CaptureLimits

log = structlog.get_logger()
T = TypeVar("T")

Progress = Callable[[str, Literal["running", "done", "failed"], dict[str, Any]], None]

_QUIET = 0.15  # seconds without network activity that count as settled
_SETTLE_SECONDS = 5.0
_IMAGE_SECONDS = 5.0
_HANG_SECONDS = 3.0
_GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class Job:
    """What is to be captured.

    order_leaf: hex leaf hash of the order in the evidence log; earlier: how tries before this one ended.
    """

    capture_id: str
    url: str
    order_leaf: str
    earlier: tuple[str, ...] = ()


@dataclass
class Recorded:
    """What a capture found, beside its artefacts."""

    outcome: Outcome
    observed: Observed
    ledger: Ledger
    started: datetime
    ended: datetime
    clock: dict[str, Any]
    environment: dict[str, Any]
    method: dict[str, Any]
    steps_head: str
    final_url: str | None = None
    address_bar: str | None = None
    title: str = ""
    redirects: list[dict[str, Any]] = field(default_factory=list)
    connections: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


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
    ) -> None:
        self._job, self._jail, self._proxy = job, jail, proxy
        self.spool, self.limits, self._progress = spool, limits, progress
        self.steps = StepLog(job.order_leaf)
        for ended in job.earlier:
            self.steps.add("earlier_try", ended=ended)
        self.seen = Observed()
        self.bodies = BodyStore(spool.folder / "bodies.tmp")
        self.ledger = Ledger(job.capture_id, max_bytes=limits.max_bytes, seconds=limits.budget_seconds)
        self.visit: Visit | None = None
        self.environment: dict[str, Any] = {}
        self.text: dict[str, str] = {}
        self.chains: dict[str, list[str]] = {}
        self.errors: list[dict[str, Any]] = []
        self.picture: Picture | None = None
        self._began = time.monotonic()
        self._archived = False

    async def run(self) -> Recorded:
        """Capture. Raises only when cancelled or when the disk or the jail itself fails."""
        started, self._began = utc_now(), time.monotonic()
        clock = await asyncio.to_thread(clock_state)
        self._progress("clean_check", "running", {})
        context, before = await self._jail.open_context()
        try:
            await self._guarded(context, before)
        finally:
            self._proxy.end(self.ledger)
            await self._jail.close_context(context)
        try:
            return await self._conclude(started, clock)
        finally:
            self.bodies.close()

    async def _guarded(self, context: BrowserContext, before: int) -> None:
        limit = self.limits.budget_seconds + self.limits.collect_seconds + _GRACE_SECONDS
        try:
            async with asyncio.timeout(limit):
                await self._capture(context, before)
        except TimeoutError:
            self.seen.stuck = True
            self.steps.add("browser_ended", reason="deadline")
            await self._jail.discard()
        except BrowserError as error:
            self.seen.crashed = True
            self._note_error("browser", error.message)
            await self._jail.discard()

    def _left(self) -> float:
        return max(0.5, self.limits.budget_seconds - (time.monotonic() - self._began))

    async def _capture(self, context: BrowserContext, before: int) -> None:
        visit = await self._prepare(context)
        self.environment = await asyncio.to_thread(environment_record, self._jail, self.limits, before)
        checks = self.environment["cleanliness"]
        self.steps.add("clean_check", passed=[c["check"] for c in checks if c["ok"]])
        self._progress("clean_check", "done", {"checks": checks})
        if await self._load(visit):
            view = PageView(visit.cdp, self.limits)
            await self._scroll(visit, view)
            await self._collect(visit, view)

    async def _prepare(self, context: BrowserContext) -> Visit:
        page = await context.new_page()
        cdp = await context.new_cdp_session(page)
        recorder = NetworkRecorder(cdp, self.bodies, self.limits, self._stop)
        visit = self.visit = Visit(
            context, page, cdp, recorder, self.bodies, self.spool, self.steps, self.limits, self._crashed
        )
        await asyncio.gather(
            recorder.start(), visit.prepare(), cdp.send("Page.enable"), cdp.send("DOM.enable")
        )
        return visit

    def _crashed(self) -> None:
        self.seen.crashed = True
        self.steps.add("page_crashed", actor="page")

    def _stop(self, limit: str) -> None:
        if self.seen.limit is None:
            self.seen.limit = limit
            self.steps.add("limit_reached", limit=limit)
            self.ledger.stop(limit)

    async def _load(self, visit: Visit) -> bool:
        """Open the page; gives whether there is something to look at."""
        self._progress("load", "running", {})
        self.ledger = self._proxy.begin(
            self._job.capture_id, max_bytes=self.limits.max_bytes, seconds=self.limits.budget_seconds
        )
        arrival = await visit.go(self._job.url, min(self.limits.load_seconds, self._left()))
        if visit.download is not None:
            await visit.finish_download(self._left())
        self.seen.net_error, self.seen.timed_out = arrival.net_error, arrival.timed_out
        self.seen.crashed = self.seen.crashed or arrival.crashed
        main = self._main()
        self.seen.http_status = main.status if main else None
        self.steps.add("loaded", status=self.seen.http_status, error=arrival.net_error)
        # Without content the browser stays where it was; its own error pages are not the site's.
        shown = main is not None and visit.page.url.startswith("http") and not self.seen.crashed
        if arrival.net_error and arrival.net_error != "ERR_ABORTED" and main and main.error:
            # The answer began and broke off before anything could be shown.
            shown = shown and main.received > 0
        if shown and arrival.timed_out:
            shown = await self._wake(visit)
        detail = {
            "status": self.seen.http_status,
            "error": arrival.net_error,
            "url": main.url if main else None,
        }
        self._progress("load", "done" if shown else "failed", detail)
        if not shown and arrival.net_error and arrival.net_error.startswith(("ERR_CERT", "ERR_SSL")):
            await self._keep_rejected_certificate(visit)
        return shown

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
                self.seen.hung = True
                self.steps.add("script_terminated", reason="no answer")
                await visit.cdp.send("Runtime.terminateExecution")
        self.seen.stuck = True
        return False

    def _main(self) -> Exchange | None:
        """The document the page finally shows."""
        if self.visit is None:
            return None
        documents = self.visit.recorder.exchanges.documents(self.visit.frame)
        return next((d for d in reversed(documents) if d.response and not d.redirected), None)

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
        self.seen.images_waiting = await self._images(view)
        await view.to_top()
        self.seen.scroll = {**got, **total}
        self.steps.add("scroll", **self.seen.scroll, images_waiting=self.seen.images_waiting)
        self._progress("scroll", "done", self.seen.scroll)

    async def _grew(self, view: PageView, got: dict[str, Any]) -> bool:
        return await view.height() > int(got["height"])

    async def _settle(self, visit: Visit) -> None:
        """Wait until the network is quiet; a page that never is, gets no more than a few seconds."""
        until = time.monotonic() + min(_SETTLE_SECONDS, self._left())
        recorder = visit.recorder
        while time.monotonic() < until:
            quiet = time.monotonic() - recorder.last_activity
            if recorder.exchanges.in_flight == 0 and quiet >= _QUIET:
                return
            await asyncio.sleep(0.03)
        self.steps.add("not_settled", in_flight=recorder.exchanges.in_flight)

    async def _images(self, view: PageView) -> int:
        until = time.monotonic() + min(_IMAGE_SECONDS, self._left())
        while True:
            waiting = (await view.images())["waiting"]
            if waiting == 0 or time.monotonic() > until:
                return waiting
            await asyncio.sleep(0.1)

    async def _collect(self, visit: Visit, view: PageView) -> None:
        """Take picture, page files, text, certificates and bodies, all at the same time."""
        self._progress("shots", "running", {})
        origins = sorted({origin_of(e.url) for e in visit.recorder.exchanges.all if e.response})
        rest = asyncio.gather(
            self._attempt("page.mhtml", self._mhtml(visit)),
            self._attempt("dom.html", self._dom(view)),
            self._attempt("text.txt", self._text(visit, view)),
            self._attempt("certificates", self._certificates(visit, origins)),
        )
        try:
            self.picture = await self._attempt("page.png", take_pictures(visit.cdp, self.spool, self.limits))
            self._progress("shots", "done" if self.picture else "failed", self._picture_facts())
            self._progress("collect", "running", {})
        finally:
            await rest
        self.seen.picture_cut = self.picture is not None and self.picture.cut
        self.steps.add("pictures", **self._picture_facts())
        self._progress("collect", "done", {"requests": len(visit.recorder.exchanges.all)})

    def _picture_facts(self) -> dict[str, Any]:
        p = self.picture
        return {"height": p.height, "page_height": p.page_height, "tiles": len(p.tiles)} if p else {}

    async def _attempt(self, what: str, work: Awaitable[T]) -> T | None:
        """The result, or None with a line in `missing`; one artefact that fails does not lose the others."""
        try:
            async with asyncio.timeout(self.limits.collect_seconds):
                return await work
        except (BrowserError, TimeoutError, KeyError) as error:
            self.seen.missing.append({"what": "artefact", "name": what, "why": str(error)[:200] or "timeout"})
            self.steps.add("missing", what=what, why=str(error)[:200])
            return None

    async def _mhtml(self, visit: Visit) -> None:
        data = (await visit.cdp.send("Page.captureSnapshot", {"format": "mhtml"}))["data"]
        await asyncio.to_thread(
            self.spool.write, "evidence/page.mhtml", "mhtml", "multipart/related", data.encode()
        )

    async def _dom(self, view: PageView) -> None:
        html = (await view.document()).encode("utf-8", "replace")
        await asyncio.to_thread(self.spool.write, "evidence/dom.html", "dom", "text/html", html)

    async def _text(self, visit: Visit, view: PageView) -> None:
        self.text = await view.text()
        data = self.text["text"].encode("utf-8", "replace")
        self.spool.write("evidence/text.txt", "text", "text/plain", data, derived_from="evidence/dom.html")
        # The archive's page list carries title and text, so it comes after them.
        await visit.recorder.finish(self.limits.collect_seconds / 2)
        await self._write_archive()

    async def _certificates(self, visit: Visit, origins: list[str]) -> None:
        self.chains = await collect_chains(visit.cdp, origins, self.spool)

    async def _keep_rejected_certificate(self, visit: Visit) -> None:
        documents = visit.recorder.exchanges.documents(visit.frame)
        url = documents[-1].url if documents else self._job.url
        der = await rejected_certificate(self._jail.proxy_address, target_of(url))
        if der is not None:
            self.chains[origin_of(url)] = await asyncio.to_thread(
                write_chain, self.spool, origin_of(url), [der]
            )
            facts = facts_of(der)
            self.errors.append({"what": "certificate", "origin": origin_of(url), **facts})
            self.steps.add("certificate_kept", connection="second", sha256=facts["sha256"])

    def _note_error(self, what: str, message: str) -> None:
        self.errors.append({"what": what, "message": message[:500]})
        self.steps.add("error", what=what, message=message[:500])

    async def _write_archive(self) -> None:
        if self._archived:
            return
        self._archived = True
        main = self._main()
        url = main.url.partition("#")[0] if main else self._job.url
        page = ArchivePage(url, self.text.get("title", ""), self.text.get("text", "")[:100_000])
        exchanges = self.visit.recorder.exchanges.all if self.visit else []
        info = {"software": "Wangjian", "format": "WARC File Format 1.1", "isPartOf": self._job.capture_id}
        await asyncio.to_thread(
            write_archive, self.spool, exchanges, self.bodies, page,
            lambda url: self.ledger.peer_of(target_of(url)), info,
        )  # fmt: skip

    async def _conclude(self, started: datetime, clock: dict[str, Any]) -> Recorded:
        """Judge and write what is written of every capture, however it went."""
        seen, visit = self.seen, self.visit
        if visit:
            await visit.recorder.finish(1.0)
            seen.forbidden = bool(visit.forbidden)
            seen.missing.extend(_missing_bodies(visit.recorder.exchanges.all))
            if visit.download:
                seen.download_complete = visit.download.complete
            documents = visit.recorder.exchanges.documents(visit.frame)
            if documents:
                seen.connection = self.ledger.last_for(target_of(documents[-1].url))
        if self.ledger.limit not in (None, "ended"):
            seen.limit = seen.limit or self.ledger.limit
        await self._write_archive()
        return await asyncio.to_thread(write_records, self, judge(seen), started, clock)


def _missing_bodies(exchanges: list[Exchange]) -> list[dict[str, str]]:
    """Answers whose bodies the browser had and we do not; failures of the site itself are not among them."""
    return [
        {"what": e.kind, "name": e.url[:2000], "why": e.missing or ""}
        for e in exchanges
        if e.missing and e.error is None and e.response
    ][:500]


def target_of(url: str) -> Target:
    """Host and port a URL leads to."""
    parts = urlsplit(url)
    return parse_authority(parts.netloc.rpartition("@")[2], 443 if parts.scheme == "https" else 80)
