"""A real gateway on a real port, before small real services on UNIX sockets, for the gateway's tests."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from argon2 import PasswordHasher

from gateway.accounts import repository
from gateway.accounts.passwords import Passwords
from gateway.accounts.service import DEMO_STAFF, Staff
from gateway.app import create_app
from gateway.desk import local_claims
from gateway.routing.door import Door
from gateway.routing.limits import RateLimits
from gateway.sessions.rules import COOKIE
from gateway.settings import DoorSettings
from services.common.clock import utc_now
from services.common.identity import TokenVerifier
from services.common.ids import new_id
from services.common.settings import Settings

PASSWORD = "Lotus-Pond-27-rain"


class MovableClock:
    """Time that a test moves forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


class Recorder:
    """A service that says what reached it, streams on request, checks the internal token."""

    def __init__(self, keys_dir: Path) -> None:
        self._verifier = TokenVerifier(keys_dir)
        self.seen: list[dict[str, Any]] = []
        self.cancelled = asyncio.Event()
        self.sent = 0
        self.step = asyncio.Event()
        self.trust = b""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        path = scope["path"]
        entry: dict[str, Any] = {"method": scope["method"], "path": path, "headers": headers}
        entry["raw"] = scope["raw_path"].decode()
        entry["query"] = scope["query_string"].decode()
        token = headers.get("authorization", "").removeprefix("Bearer ")
        entry["claims"] = self._verifier.verify(token) if token else None
        self.seen.append(entry)
        if path == "/trust" and self.trust:
            await self._start(send, [(b"content-type", b"application/json")])
            await send({"type": "http.response.body", "body": self.trust, "more_body": False})
        elif path.endswith("/events"):
            await self._events(receive, send)
        elif path.endswith("/big"):
            await self._big(receive, send)
        elif path.endswith("/slow"):
            await self._slow(receive, send)
        elif path.endswith("/cut"):
            await self._start(send, [(b"content-length", b"1000")])
            await send({"type": "http.response.body", "body": b"only this", "more_body": False})
        else:
            await self._echo(entry, receive, send)

    async def _start(self, send: Any, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})

    async def _echo(self, entry: dict[str, Any], receive: Any, send: Any) -> None:
        digest, size, more = hashlib.sha256(), 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                entry["aborted"] = True
                return
            digest.update(message.get("body", b""))
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        entry |= {"size": size, "sha256": digest.hexdigest()}
        body = f'{{"size": {size}, "sha256": "{digest.hexdigest()}"}}'.encode()
        extra = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"set-cookie", b"planted=1"),
            (b"server", b"secret/1.0"),
            (b"x-request-id", b"from-the-service"),
            (b"cache-control", b"public, max-age=99"),
        ]
        if "sandbox" in entry["path"]:
            extra.append((b"content-security-policy", b"sandbox; default-src 'none'"))
        if "loose" in entry["path"]:
            extra.append((b"content-security-policy", b"sandbox allow-scripts; default-src *"))
        await self._start(send, extra)
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _events(self, receive: Any, send: Any) -> None:
        await receive()
        await self._start(send, [(b"content-type", b"text/event-stream")])
        leave = asyncio.ensure_future(receive())
        try:
            for number in range(1000):
                text = f"id: {number}\nevent: step\ndata: {{}}\n\n".encode()
                await send({"type": "http.response.body", "body": text, "more_body": True})
                waiting = asyncio.ensure_future(self.step.wait())
                done, _ = await asyncio.wait({leave, waiting}, return_when=asyncio.FIRST_COMPLETED)
                if leave in done:
                    waiting.cancel()
                    self.cancelled.set()
                    return
                self.step.clear()
        finally:
            leave.cancel()

    async def _big(self, receive: Any, send: Any) -> None:
        await receive()
        block, blocks = b"\0" * 65536, 4096
        await self._start(send, [(b"content-length", str(len(block) * blocks).encode())])
        self.sent = 0
        for number in range(blocks):
            await send({"type": "http.response.body", "body": block, "more_body": number < blocks - 1})
            self.sent += len(block)
            await asyncio.sleep(0)

    async def _slow(self, receive: Any, send: Any) -> None:
        await receive()
        message = await receive()
        if message["type"] == "http.disconnect":
            self.cancelled.set()


@asynccontextmanager
async def serve(app: Any, **where: Any) -> AsyncIterator[None]:
    """Serve an ASGI application in this loop."""
    config = uvicorn.Config(
        app,
        log_level="critical",
        server_header=False,
        timeout_graceful_shutdown=1,
        **{"proxy_headers": False, **where},
    )
    server = uvicorn.Server(config)
    sockets = None
    if "port" in where:
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM)]
        sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sockets[0].bind(("127.0.0.1", where["port"]))
    task = asyncio.ensure_future(server._serve(sockets))
    while not server.started:
        if task.done():
            task.result()
            raise RuntimeError("the server ended before it started")
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Browser:
    """A signed-in client: sends cookie and CSRF token (httpx keeps Secure cookies from plain http)."""

    http: httpx.AsyncClient
    secret: str
    csrf: str
    view: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        """What a browser on our own page sends."""
        return {
            "cookie": f"{COOKIE}={self.secret}",
            "x-csrf-token": self.csrf,
            "sec-fetch-site": "same-origin",
        }

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request as this browser."""
        headers = {**self.headers, **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)


@dataclass
class House:
    """The gateway under test."""

    door: Door
    base: str
    port: int
    clock: MovableClock
    settings: Settings
    recorder: Recorder
    http: httpx.AsyncClient
    people: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Any:
        """The inner application's state: the use cases."""
        return self.door.inner.state

    async def sign_in(self, username: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        """Ask for a session."""
        body = {"username": username, "password": password}
        return await self.http.post("/api/session", json=body, headers=headers)

    async def browser(self, username: str, password: str = PASSWORD) -> Browser:
        """A signed-in browser."""
        answer = await self.sign_in(username, password)
        assert answer.status_code == 200, answer.text
        view = answer.json()
        return Browser(self.http, secret_in(answer), view["csrf_token"], view)

    def fresh_limits(self) -> None:
        """Start all rate limits from zero."""
        self.door._limits = RateLimits(self.settings.redis_location, f"t-{new_id()}")

    def operator(self) -> dict[str, str]:
        """The local operator's header."""
        token = (self.settings.home / "operator.token").read_text().strip()
        return {"authorization": f"Bearer {token}"}


def secret_in(answer: httpx.Response) -> str:
    """The session's secret in an answer's Set-Cookie."""
    line = answer.headers["set-cookie"]
    name, _, rest = line.partition("=")
    assert name == COOKIE
    return rest.split(";")[0]


async def settle_staff(house: House, more: tuple[Staff, ...]) -> None:
    """Make the demo staff, with a password already changed, so that tests start at their own subject."""
    extra = (
        Staff("field_one", "取证员", "360121-SJ", "南昌县市场监督管理局", frozenset({"field"})),
        Staff("nobody", "未授权人员", "360121-SJ", "南昌县市场监督管理局"),
    )
    made = await house.state.accounts.create_missing(local_claims(), DEMO_STAFF + extra + more)
    hashed = await house.state.sign_in._passwords.hash(PASSWORD)
    async with house.state.db.transaction() as session:
        for one in made:
            user = await repository.by_id(session, one.user.id, lock=True)
            assert user is not None
            await repository.set_password(session, user, hashed)
            user.must_change_password, user.one_time_expires_at = False, None
            house.people[user.username] = user.id


@asynccontextmanager
async def open_house(
    settings: Settings,
    *,
    service_url: Callable[[str], str] | None = None,
    staff: bool = True,
    more_staff: tuple[Staff, ...] = (),
    **door_settings: Any,
) -> AsyncIterator[House]:
    """A gateway with its own database, before one recorder that plays every service."""
    uds = settings.run_dir / f"rec-{new_id()[-8:]}.sock"
    home = settings.home / f"house-{new_id()}"
    settings = settings.model_copy(update={"home": home, "redis_url": settings.redis_location})
    recorder, port = Recorder(settings.keys_dir), free_port()
    clock = MovableClock()
    door = create_app(
        settings,
        DoorSettings(**door_settings),
        clock=clock,
        limits_prefix=f"t-{new_id()}",
        service_url=service_url or (lambda name: f"unix:{uds}"),
        passwords=Passwords(PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)),
    )
    async with serve(recorder, uds=str(uds)), serve(door, port=port):
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, timeout=20) as http:
            house = House(door, base, port, clock, settings, recorder, http)
            if staff:
                await settle_staff(house, more_staff)
            yield house
