"""Recording what crosses the network during a capture, over the DevTools protocol."""

import asyncio
import base64
import contextlib
import time
from collections.abc import Callable
from typing import Any

import structlog
from playwright.async_api import BrowserContext, CDPSession, Request, Response
from playwright.async_api import Error as BrowserError

from services.crawler.recording.bodies import BodyStore
from services.crawler.recording.exchanges import Exchange, Exchanges
from services.crawler.settings import CaptureLimits

log = structlog.get_logger()

_PARALLEL_BODIES = 8
_NO_BODY = (204, 205, 304)
# Kinds of requests that a page may keep open as long as it likes.
_OPEN_ENDED = {"eventsource", "websocket", "ping", "media", "beacon", "cspreport", "preflight"}


class NetworkRecorder:
    """Listens on one page's session from before the first request.

    stop: called with `decoded`, `requests` or `document` when a limit is passed.
    """

    def __init__(
        self, cdp: CDPSession, bodies: BodyStore, limits: CaptureLimits, stop: Callable[[str], None]
    ) -> None:
        self.exchanges = Exchanges()
        self.last_activity = time.monotonic()
        self._cdp, self._bodies, self._limits, self._stop = cdp, bodies, limits, stop
        self._decoded = 0
        self._gate = asyncio.Semaphore(_PARALLEL_BODIES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[Request] = set()
        self._responses: list[Response] = []

    async def start(self, context: BrowserContext) -> None:
        """Subscribe and enable. Must come before the navigation: certificates are only kept from then on."""
        context.on("request", self._begun)
        context.on("response", self._answered)
        context.on("requestfinished", self._over)
        context.on("requestfailed", self._over)
        on = self._cdp.on
        on("Network.requestWillBeSent", self._requested)
        on("Network.requestWillBeSentExtraInfo", self.exchanges.extra_request)
        on("Network.responseReceived", self._responded)
        on("Network.responseReceivedExtraInfo", self.exchanges.extra_response)
        on("Network.dataReceived", self._received)
        on("Network.loadingFinished", self._ended)
        on("Network.loadingFailed", self._ended)
        on("Network.webSocketCreated", lambda event: self.exchanges.web_sockets.append(str(event["url"])))
        await self._cdp.send(
            "Network.enable",
            {"maxTotalBufferSize": self._limits.max_bytes, "maxResourceBufferSize": self._limits.max_body},
        )

    @property
    def in_flight(self) -> int:
        """Requests without an end that a page's look depends on, in all its frames and workers."""
        return sum(1 for request in self._open if request.resource_type not in _OPEN_ENDED)

    def _begun(self, request: Request) -> None:
        self.last_activity = time.monotonic()
        self._open.add(request)

    def _answered(self, response: Response) -> None:
        self._responses.append(response)

    def _over(self, request: Request) -> None:
        self.last_activity = time.monotonic()
        self._open.discard(request)

    def _requested(self, event: dict[str, Any]) -> None:
        self.last_activity = time.monotonic()
        self.exchanges.requested(event)
        if len(self.exchanges.all) > self._limits.max_requests:
            self._stop("requests")

    def _responded(self, event: dict[str, Any]) -> None:
        self.last_activity = time.monotonic()
        exchange = self.exchanges.responded(event)
        if exchange and event.get("type") == "Document":
            exchange.streamed = bytearray()
            self._spawn(self._stream(exchange))

    def _received(self, event: dict[str, Any]) -> None:
        self.last_activity = time.monotonic()
        exchange, count = self.exchanges.received(event)
        self._decoded += count
        if exchange and exchange.streamed is not None and event.get("data"):
            exchange.streamed += base64.b64decode(event["data"])
        if self._decoded > self._limits.max_decoded:
            self._stop("decoded")
        if exchange and exchange.kind == "Document" and exchange.received > self._limits.max_document:
            self._stop("document")

    def _ended(self, event: dict[str, Any]) -> None:
        self.last_activity = time.monotonic()
        exchange = self.exchanges.ended(event)
        if exchange and exchange.response and exchange.status not in _NO_BODY:
            self._spawn(self._fetch_body(exchange))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stream(self, exchange: Exchange) -> None:
        """Ask for a document's bytes as they came: DevTools otherwise gives text decoded to Unicode."""
        with contextlib.suppress(BrowserError):  # already finished: _fetch_body takes the other way
            answer = await self._cdp.send("Network.streamResourceContent", {"requestId": exchange.request_id})
            if exchange.streamed is not None:
                exchange.streamed[:0] = base64.b64decode(answer["bufferedData"])

    async def _fetch_body(self, exchange: Exchange) -> None:
        if exchange.received > self._limits.max_body:
            exchange.missing = "too_large"
            return
        async with self._gate:
            try:
                answer = await self._cdp.send("Network.getResponseBody", {"requestId": exchange.request_id})
            except BrowserError as error:
                self._keep_streamed(exchange, str(error))
                return
        if exchange.streamed and len(exchange.streamed) == exchange.received:
            self._keep(exchange, bytes(exchange.streamed))
        elif answer["base64Encoded"]:
            self._keep(exchange, base64.b64decode(answer["body"]))
        else:
            data, exact = original_bytes(str(answer["body"]), charset_of(exchange), exchange.received)
            exchange.transcoded = not exact
            self._keep(exchange, data)

    def _keep_streamed(self, exchange: Exchange, problem: str) -> None:
        """What arrived of a document that was cut off is still kept."""
        if exchange.streamed:
            self._keep(exchange, bytes(exchange.streamed))
        exchange.missing = exchange.error or problem.rpartition(": ")[2][:200]

    def _keep(self, exchange: Exchange, data: bytes) -> None:
        exchange.streamed = None
        exchange.body = self._bodies.add(data)

    async def finish(self, seconds: float) -> None:
        """Wait for bodies that are on their way, then put headers together. Never raises for a slow page."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=seconds)
        for task in list(self._tasks):
            task.cancel()
        await self._adopt_foreign(seconds)
        for exchange in self.exchanges.all:
            if exchange.response and not exchange.body and not exchange.missing and not exchange.redirected:
                if exchange.streamed:
                    self._keep(exchange, bytes(exchange.streamed))
                if exchange.status not in _NO_BODY:
                    exchange.missing = exchange.error or "unfinished"
        self.exchanges.settle()

    async def _adopt_foreign(self, seconds: float) -> None:
        """Add what only the driver saw: frames of other sites and workers run in processes of their own."""
        foreign = [r for r in self._responses if self._lacks(r)]
        if not foreign:
            return
        await asyncio.wait([asyncio.ensure_future(self._adopt(r)) for r in foreign], timeout=seconds)

    def _lacks(self, response: Response) -> bool:
        known = self.exchanges.answered(response.request.method, response.url)
        # A foreign frame's document begins in this session and ends in the frame's own.
        return response.url.startswith("http") and (known is None or not known.finished)

    async def _adopt(self, response: Response) -> None:
        request = response.request
        exchange = self.exchanges.answered(request.method, response.url)
        try:
            body = None if response.status in _NO_BODY else await response.body()
            if exchange is None:
                exchange = await _as_exchange(response)
                self.exchanges.all.append(exchange)
        except BrowserError as error:
            log.info("recording.not_adopted", url=response.url[:200], error=error.message[:200])
            return
        exchange.finished = True
        if body is not None:
            exchange.received, exchange.missing = len(body), None
            exchange.body = self._bodies.add(body)


async def _as_exchange(response: Response) -> Exchange:
    request = response.request
    details = await response.security_details()
    told: dict[str, Any] = {
        "status": response.status,
        "statusText": response.status_text,
        "headers": {},
        "mimeType": response.headers.get("content-type", "").partition(";")[0],
    }
    return Exchange(
        request_id=f"driver-{id(response)}",
        url=response.url,
        method=request.method,
        kind=request.resource_type.capitalize(),
        started=request.timing["startTime"] / 1000,
        request_headers=await request.all_headers(),
        post_data=request.post_data_buffer,
        response={**told, "securityDetails": dict(details)} if details else told,
        response_headers=await response.all_headers(),
    )


def charset_of(exchange: Exchange) -> list[str]:
    """Charsets to try for a text body: what the browser says, then those common on Chinese pages."""
    said = str(exchange.response.get("charset") or "").lower() if exchange.response else ""
    # A browser reads `gb2312` and `gbk` as GB 18030 (WHATWG Encoding); 1252 stands for Latin 1.
    aliases = {"gbk": "gb18030", "gb2312": "gb18030", "iso-8859-1": "cp1252", "windows-1252": "cp1252"}
    return [c for c in (aliases.get(said, said), "utf-8", "utf-8-sig", "gb18030", "utf-16-le", "cp1252") if c]


def original_bytes(text: str, charsets: list[str], length: int) -> tuple[bytes, bool]:
    """The bytes a text body had before the browser decoded it, and whether their length proves it.

    Tries each charset; the one that gives exactly the received length is taken, else UTF-8.
    """
    for charset in charsets:
        try:
            data = text.encode(charset)
        except (UnicodeEncodeError, LookupError):
            continue
        if len(data) == length:
            return data, True
    return text.encode("utf-8", "replace"), False
