"""What the gateway adds to a plain call of a service: the same request over the service's socket and through
the door.

The services and the gateway run as in production: their own processes, uvicorn with uvloop and httptools, a
real session in a real database. One connection, one request after another; medians of interleaved rounds.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from benchmarks.row import Row

REQUESTS, ROUNDS = 300, 5
ADDED_MS = 3.0
PATH = "/regions"


def rows() -> list[Row]:
    """Direct call against the call through the gateway, p50 in milliseconds."""
    home = Path(tempfile.mkdtemp(prefix="wj-bench-"))
    try:
        with _platform(home) as (port, uds, secret):
            direct, through = asyncio.run(_measure(port, uds, secret))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return [
        Row(
            name="gateway: one call of a service",
            ours=round(statistics.median(through), 3),
            floor=round(statistics.median(direct), 3),
            unit="ms p50",
            floor_label="the same call over the service's own socket",
            target_ratio=1.0,
            allowance=ADDED_MS,
            note=f"p99 {_p99(through):.2f} ms through, {_p99(direct):.2f} ms direct;"
            f" {REQUESTS * ROUNDS} calls each",
        )
    ]


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


@contextlib.contextmanager
def _platform(home: Path) -> Iterator[tuple[int, Path, str]]:
    """PostgreSQL, Redis, the registry on its socket and the gateway on a port; gives port, socket and a
    session.
    """
    os.environ["WANGJIAN_HOME"] = str(home)
    from infra.embedded.postgres import EmbeddedPostgres
    from infra.embedded.redis import EmbeddedRedis
    from services.common.settings import Settings

    settings = Settings()
    settings.run_dir.mkdir(mode=0o700, exist_ok=True)
    postgres, redis = EmbeddedPostgres(home, settings.run_dir), EmbeddedRedis(home, settings.run_dir)
    with contextlib.ExitStack() as stack:
        postgres.start()
        stack.callback(postgres.stop)
        redis.start()
        stack.callback(redis.stop)
        for name in ("gateway", "registry"):
            postgres.ensure_database(name)
        port, uds = _free_port(), settings.run_dir / "registry.sock"
        env = {
            **os.environ,
            "WANGJIAN_PORT": str(port),
            "WANGJIAN_DATABASE_URL_GATEWAY": postgres.url("gateway"),
            "WANGJIAN_DATABASE_URL_REGISTRY": postgres.url("registry"),
        }
        stack.enter_context(_served("services.registry.app:create_app", env, "--uds", str(uds)))
        stack.enter_context(_served("gateway.app:create_app", env, "--port", str(port)))
        _wait(lambda: _listens(socket.AF_UNIX, str(uds)) and _listens(socket.AF_INET, ("127.0.0.1", port)))
        regions = [sys.executable, "-m", "services.registry.bootstrap"]
        subprocess.run(regions, env=env, check=True, capture_output=True)
        yield port, uds, asyncio.run(_session(postgres.url("gateway")))


@contextlib.contextmanager
def _served(app: str, env: dict[str, str], *where: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--factory", app, *where, "--loop", "uvloop", "--http", "httptools",
         "--log-level", "warning", "--no-proxy-headers", "--no-server-header"],
        env=env, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


async def _session(url: str) -> str:
    """A session of an officer, made past the sign-in, which is not measured here."""
    from datetime import timedelta

    from gateway.accounts import repository as accounts
    from gateway.accounts.passwords import Passwords
    from gateway.accounts.service import DEMO_STAFF, Accounts
    from gateway.desk import local_claims
    from gateway.sessions import repository
    from gateway.sessions.models import SessionRow
    from gateway.sessions.rules import Limits, digest_of, new_secret
    from gateway.sessions.visits import Visits
    from services.common.clock import utc_now
    from services.common.database import Database
    from services.common.identity import TokenIssuer
    from services.common.ids import new_id
    from services.common.settings import Settings

    database, secret, now = Database(url, "gateway"), new_secret(), utc_now()
    visits = Visits(database, TokenIssuer(Settings().keys_dir, "gateway"), Limits(), utc_now)
    staff = Accounts(database, visits, Passwords(), utc_now)
    made = await staff.create_missing(local_claims(), DEMO_STAFF[:1])
    async with database.transaction() as session:
        user = await accounts.by_id(session, made[0].user.id)
        assert user is not None
        user.must_change_password = False
        row = SessionRow(
            id=new_id(), secret_digest=digest_of(secret), user_id=user.id, created_at=now, last_seen_at=now,
            expires_at=now + timedelta(hours=8), client_ip="127.0.0.1", user_agent="benchmark",
        )  # fmt: skip
        repository.add(session, row)
    await database.close()
    return secret


async def _measure(port: int, uds: Path, secret: str) -> tuple[list[float], list[float]]:
    from gateway.accounts.roles import ROLES
    from gateway.sessions.rules import COOKIE
    from services.common.identity import Claims, TokenIssuer
    from services.common.settings import Settings

    claims = Claims("bench", "bench", "360000-SJ", "", "360000", permissions=ROLES["officer"].permissions)
    issuer = TokenIssuer(Settings().keys_dir, "gateway")
    direct: list[float] = []
    through: list[float] = []
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(uds))) as inside,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as outside,
    ):
        for number in range(ROUNDS + 1):
            door, cookie = f"http://127.0.0.1:{port}/api{PATH}", {"cookie": f"{COOKIE}={secret}"}
            ours = await _time(outside, door, cookie)
            token = {"authorization": f"Bearer {issuer.issue(claims)}"}
            floor = await _time(inside, f"http://registry{PATH}", token)
            if number:  # the first round warms up
                direct += floor
                through += ours
    return direct, through


async def _time(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> list[float]:
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        async with session.get(url, headers=headers) as answer:
            body = await answer.read()
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200, (answer.status, body[:300])
    return times


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(family: socket.AddressFamily, address: object) -> bool:
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def _wait(condition: object) -> None:
    until = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        if time.monotonic() > until:
            raise RuntimeError("the services did not start")
        time.sleep(0.1)
