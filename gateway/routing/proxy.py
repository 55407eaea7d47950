"""Requests handed on to a service and its answer handed back, as they come, in both directions.

aiohttp's client, because an httpx pool costs several milliseconds of CPU a request here (measured; docs/adr).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import structlog
import yarl
from prometheus_client import Counter

from gateway.routing.checks import Ask, too_large
from gateway.routing.headers import for_service, from_service
from services.common.problems import Problem

log = structlog.get_logger()

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

_PROXIED = Counter("gateway_proxied_total", "Requests handed on to a service", ["service", "status"])
_SMALL_BODY: Final = 64 * 1024
# uvicorn closes an idle connection after 5 s; a pool that keeps it longer would send into a closed one.
_KEEP_ALIVE: Final = 2.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=2.0, sock_read=120.0)


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class Cut(Exception):
    """The service's answer broke off after it had begun."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What the door asks of the proxy: to whom, with which own headers, and until when a stream may last.

    over: ends when the caller's session has ended; watched while events stream.
    """

    service: str
    own_headers: dict[str, str]
    max_body: int
    over: Callable[[], Awaitable[None]] | None = None


class Intake:
    """The client's side of a request: its body, and the news that it went away. One reader at a time."""

    def __init__(self, receive: Receive, has_body: bool, max_body: int) -> None:
        self._receive, self._max = receive, max_body
        self._complete = asyncio.Event()
        self._has_body = has_body

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises ClientGone, or Problem 413 beyond the bound."""
        taken, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk, more = message.get("body", b""), message.get("more_body", False)
            taken += len(chunk)
            if taken > self._max:
                raise too_large(self._max)
            if chunk:
                yield chunk
        self._complete.set()

    async def whole(self) -> bytes:
        """The whole (small) body."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def gone(self) -> None:
        """Returns when the client closed the connection; starts to listen once the body is complete."""
        if self._has_body:
            await self._complete.wait()
        while (await self._receive())["type"] != "http.disconnect":
            continue


class Proxy:
    """Connections to the services."""

    def __init__(self, url_of: Callable[[str], str]) -> None:
        self._url_of = url_of
        self._clients: dict[str, tuple[aiohttp.ClientSession, str]] = {}
        self._places: dict[str, str] = {}

    def parties(self, service: str) -> list[str]:
        """Names to ask each party of a kind by; there are several when its URL is a comma list."""
        urls = [url.strip() for url in self._url_of(service).split(",")]
        if len(urls) == 1:
            return [service]
        found = {f"{service}-{place}": url for place, url in enumerate(urls)}
        self._places |= found
        return list(found)

    def _client(self, service: str) -> tuple[aiohttp.ClientSession, str]:
        known = self._clients.get(service)
        if known is None:
            url = self._places.get(service) or self._url_of(service)
            connector: aiohttp.BaseConnector
            if url.startswith("unix:"):
                connector = aiohttp.UnixConnector(
                    path=url.removeprefix("unix:"), limit=0, keepalive_timeout=_KEEP_ALIVE
                )
                base = f"http://{service}"
            else:
                connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=10)
                base = url.rstrip("/")
            session = aiohttp.ClientSession(
                connector=connector,
                timeout=_TIMEOUT,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                raise_for_status=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
            known = self._clients[service] = (session, base)
        return known

    async def close(self) -> None:
        """Close all connections."""
        for session, _ in self._clients.values():
            await session.close()
        self._clients.clear()

    async def get_json(
        self, service: str, path: str, headers: dict[str, str], seconds: float
    ) -> tuple[int, Any]:
        """Status and JSON document of a GET to a service. Raises what aiohttp raises when it does not
        answer.
        """
        session, base = self._client(service)
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with session.get(
            base + path, timeout=timeout, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    async def forward(self, ask: Ask, errand: Errand, receive: Receive, send: Send) -> None:
        """Hand the request on and the answer back; stops the moment the client goes away.

        Raises Problem 413, 503 `upstream.unavailable`, 504 `upstream.timeout` while nothing was answered yet.
        """
        intake = Intake(receive, ask.has_body, errand.max_body)
        leash = Leash(intake.gone())
        try:
            await self._exchange(ask, errand, intake, send, leash)
        except asyncio.CancelledError:
            if not leash.pulled():
                raise
            log.info("proxy.stopped", service=errand.service, path=ask.path, request_id=ask.request_id)
        except (ClientGone, Cut):
            # Returning without the answer's end makes the server close the connection: that is how HTTP says
            # "incomplete", and too late for a problem document.
            log.info("proxy.incomplete", service=errand.service, path=ask.path, request_id=ask.request_id)
        finally:
            leash.drop()

    async def _exchange(self, ask: Ask, errand: Errand, intake: Intake, send: Send, leash: "Leash") -> None:
        session, base = self._client(errand.service)
        target = base + ask.raw_path.decode("ascii").removeprefix("/api")
        if ask.query:
            target += "?" + ask.query.decode("ascii")
        refused: list[BaseException] = []
        body = await _body_of(ask, intake, refused)
        started = False
        try:
            async with session.request(
                ask.method,
                yarl.URL(target, encoded=True),
                headers=for_service(ask.headers.items(), errand.own_headers),
                data=body,
                allow_redirects=False,
            ) as upstream:
                started = True
                _PROXIED.labels(errand.service, upstream.status).inc()
                headers = from_service(upstream.raw_headers)
                await send({"type": "http.response.start", "status": upstream.status, "headers": headers})
                if errand.over is not None and upstream.content_type == "text/event-stream":
                    leash.watch(errand.over())
                async for chunk in upstream.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if refused:
                raise refused[0] from None
            if started:
                log.warning("proxy.cut", service=errand.service, path=ask.path, error=type(error).__name__)
                raise Cut from error
            raise _failed(errand.service, error) from error


async def _body_of(
    ask: Ask, intake: Intake, refused: list[BaseException]
) -> "bytes | AsyncIterator[bytes] | None":
    """The request's body for aiohttp: nothing, small bytes, or a stream."""
    if not ask.has_body:
        return None
    if 0 < ask.length <= _SMALL_BODY:
        return await intake.whole()

    async def stream() -> AsyncIterator[bytes]:
        # aiohttp turns an exception of the stream into its own; ours is kept to be told as it is.
        try:
            async for chunk in intake.chunks():
                yield chunk
        except (Problem, ClientGone) as error:
            refused.append(error)
            raise

    return stream()


class Leash:
    """Cancels the task it was made in when something it watches ends (client gone, session over)."""

    def __init__(self, first: Any) -> None:
        self._task = asyncio.current_task()
        self._armed, self._pulled = True, False
        self._watchers: list[asyncio.Future[None]] = []
        self.watch(first)

    def watch(self, what: Any) -> None:
        """Watch one more awaitable."""
        watcher = asyncio.ensure_future(what)
        watcher.add_done_callback(self._pull)
        self._watchers.append(watcher)

    def _pull(self, watcher: "asyncio.Future[None]") -> None:
        if not watcher.cancelled() and watcher.exception() is not None:
            log.error("proxy.watcher_failed", exc_info=watcher.exception())
        if self._armed and self._task is not None and not watcher.cancelled():
            self._armed, self._pulled = False, True
            self._task.cancel()

    def pulled(self) -> bool:
        """Whether the cancellation just caught was this leash's own; takes it back then."""
        return self._pulled and self._task is not None and self._task.uncancel() == 0

    def drop(self) -> None:
        """Stop watching."""
        self._armed = False
        for watcher in self._watchers:
            watcher.cancel()


def _failed(service: str, error: BaseException) -> Problem:
    timeout = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientConnectorError)
    log.warning("proxy.failed", service=service, error=type(error).__name__, detail=str(error)[:200])
    _PROXIED.labels(service, "timeout" if timeout else "unavailable").inc()
    if timeout:
        return Problem(
            "upstream.timeout",
            504,
            zh=f"内部服务 {service} 响应超时",
            en=f"the {service} service took too long to answer",
            todo_zh="操作可能仍在进行，请稍后刷新查看结果",
            todo_en="it may still be working; look again in a while",
            extra={"service": service},
        )
    return Problem(
        "upstream.unavailable",
        503,
        zh=f"内部服务 {service} 暂时不可用",
        en=f"the {service} service is not available right now",
        todo_zh="请稍后重试；若持续出现，请联系系统管理员",
        todo_en="try again shortly; if it goes on, tell the system administrator",
        extra={"service": service},
        headers={"Retry-After": "5"},
    )
