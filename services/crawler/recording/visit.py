"""Going to the page: navigation under guard, downloads kept as evidence, dialogs and popups refused."""

import asyncio
import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import BrowserContext, CDPSession, Dialog, Page
from playwright.async_api import Error as BrowserError
from playwright.async_api import TimeoutError as BrowserTimeoutError

from services.crawler.recording.bodies import BodyStore
from services.crawler.recording.network import NetworkRecorder
from services.crawler.recording.spool import Spool
from services.crawler.recording.steps import StepLog
from services.crawler.settings import CaptureLimits

DOWNLOAD_PATH = "evidence/download.bin"
_NET_ERROR = re.compile(r"net::(ERR_[A-Z0-9_]+)")
_GONE = re.compile(r"crash|has been closed|Target closed", re.IGNORECASE)
# Kinds of content a browser shows as a page; anything else is a file.
_SHOWN = re.compile(
    r"^(text/(html|plain|xml|css|javascript|markdown)|application/(xhtml\+xml|xml|json|javascript|rss\+xml|atom\+xml)"
    r"|image/(?!tiff)[\w.+-]+|video/(mp4|webm|ogg)|audio/[\w.+-]+|)$"
)
# Kinds of addresses no page may be led to, wherever the browser would stop it by itself or not.
_FORBIDDEN = ("file:*", "chrome:*", "devtools:*", "view-source:*", "ftp:*")
_READ = 1 << 20
_KEPT_DIALOGS = 20


@dataclass
class Download:
    """A file the address gave instead of a page."""

    headers: dict[str, str]
    status: int
    media_type: str
    bytes: int = 0
    complete: bool = False


@dataclass
class Arrival:
    """How the navigation ended."""

    net_error: str | None = None
    timed_out: bool = False
    crashed: bool = False


@dataclass
class Visit:
    """One page in its guarded context."""

    context: BrowserContext
    page: Page
    cdp: CDPSession
    recorder: NetworkRecorder
    bodies: BodyStore
    spool: Spool
    steps: StepLog
    limits: CaptureLimits
    on_crash: Callable[[], None]
    frame: str = ""
    download: Download | None = None
    dialogs: list[dict[str, str]] = field(default_factory=list)
    popups: list[str] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def prepare(self) -> None:
        """Set the guards. Must be done before `go`."""
        self.page.on("dialog", self._on_dialog)
        self.page.on("crash", lambda _: self.on_crash())
        self.context.on("page", self._on_popup)
        self.cdp.on("Fetch.requestPaused", lambda event: self._spawn(self._on_paused(event)))
        tree = await self.cdp.send("Page.getFrameTree")
        self.frame = str(tree["frameTree"]["frame"]["id"])
        documents = {"urlPattern": "*", "resourceType": "Document", "requestStage": "Response"}
        await self.cdp.send(
            "Fetch.enable", {"patterns": [documents, *({"urlPattern": p} for p in _FORBIDDEN)]}
        )

    async def go(self, url: str, seconds: float) -> Arrival:
        """Navigate and wait for `load`. Never raises for what a site does."""
        self.steps.add("navigate", url=url)
        try:
            await self.page.goto(url, wait_until="load", timeout=seconds * 1000)
        except BrowserTimeoutError:
            return Arrival(timed_out=True)
        except BrowserError as error:
            found = _NET_ERROR.search(error.message)
            if found is None and _GONE.search(error.message):
                return Arrival(crashed=True)
            # A page that replaced itself while loading is judged by what is there now.
            interrupted = "interrupted by another navigation" in error.message
            return Arrival(net_error=found.group(1) if found else None if interrupted else "ERR_FAILED")
        return Arrival()

    async def finish_download(self, seconds: float) -> None:
        """Wait for a file that is still arriving."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=max(0.0, seconds))
        for task in list(self._tasks):
            task.cancel()

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), BrowserError):
            # The page went on or closed while we answered: there is nothing left to answer.
            self.steps.add("answer_too_late", error=error.message[:200])

    async def _on_dialog(self, dialog: Dialog) -> None:
        if len(self.dialogs) < _KEPT_DIALOGS:
            self.dialogs.append({"type": dialog.type, "message": dialog.message[:500]})
            self.steps.add("dialog_dismissed", actor="page", type=dialog.type, message=dialog.message[:500])
        try:
            await dialog.dismiss()
        except BrowserError as error:
            self.steps.add("answer_too_late", error=error.message[:200])

    def _on_popup(self, page: Page) -> None:
        if page is self.page:
            return
        self.popups.append(page.url)
        self.steps.add("popup_closed", actor="page", url=page.url[:2000])
        self._spawn(page.close())

    async def _on_paused(self, event: dict[str, Any]) -> None:
        request = {"requestId": event["requestId"]}
        if event.get("responseStatusCode") is None and not event.get("responseErrorReason"):
            self.forbidden.append(str(event["request"]["url"])[:2000])
            self.steps.add("address_refused", actor="page", url=str(event["request"]["url"])[:2000])
            await self.cdp.send("Fetch.failRequest", {**request, "errorReason": "BlockedByClient"})
        elif event.get("frameId") == self.frame and is_download(event):
            await self._keep_download(event)
        else:
            await self.cdp.send("Fetch.continueRequest", request)

    async def _keep_download(self, event: dict[str, Any]) -> None:
        """Take the file's bytes from the very answer the browser got, up to the limit."""
        headers = _headers(event)
        kind = headers.get("content-type", "application/octet-stream")[:200]
        self.download = download = Download(headers, int(event["responseStatusCode"]), kind)
        self.steps.add("download", url=str(event["request"]["url"])[:2000], headers=headers)
        request = {"requestId": event["requestId"]}
        stream = (await self.cdp.send("Fetch.takeResponseBodyAsStream", request))["stream"]
        kept = bytearray()
        with self.spool.writing(DOWNLOAD_PATH, "download", "application/octet-stream") as out:
            while not download.complete and download.bytes < self.limits.max_body:
                try:
                    got = await self.cdp.send("IO.read", {"handle": stream, "size": _READ})
                except BrowserError as error:
                    self.steps.add("download_broken", error=error.message[:200])
                    break
                data = base64.b64decode(got["data"]) if got.get("base64Encoded") else got["data"].encode()
                data = data[: self.limits.max_body - download.bytes]
                out.write(data)
                kept += data
                download.bytes += len(data)
                download.complete = bool(got["eof"])
        self._into_archive(event, bytes(kept))
        await self.cdp.send("Fetch.failRequest", {**request, "errorReason": "Aborted"})

    def _into_archive(self, event: dict[str, Any], data: bytes) -> None:
        exchange = self.recorder.exchanges.current(str(event.get("networkId", "")))
        if exchange and self.download:
            exchange.response = exchange.response or {
                "status": self.download.status,
                "statusText": str(event.get("responseStatusText") or ""),
                "mimeType": self.download.media_type.partition(";")[0],
                "headers": self.download.headers,
            }
            exchange.finished = True
            exchange.body = self.bodies.add(data)
            exchange.missing = None if self.download.complete else "cut at the size limit"


def is_download(event: dict[str, Any]) -> bool:
    """Whether a paused document answer is a file to be saved and not a page to be shown."""
    status = event.get("responseStatusCode")
    if status is None or not 200 <= int(status) < 300 or int(status) in (204, 205):
        return False
    headers = _headers(event)
    if headers.get("content-disposition", "").strip().lower().startswith("attachment"):
        return True
    return not _SHOWN.match(headers.get("content-type", "").partition(";")[0].strip().lower())


def _headers(event: dict[str, Any]) -> dict[str, str]:
    return {str(h["name"]).lower(): str(h["value"])[:2000] for h in event.get("responseHeaders", [])[:200]}
