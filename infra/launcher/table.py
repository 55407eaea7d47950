"""The processes of the platform on one machine, as a table."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.embedded.postgres import EmbeddedPostgres
from infra.embedded.redis import EmbeddedRedis
from infra.launcher import probes
from infra.launcher.child import Child
from services.common.settings import DATABASES, SERVICES, Settings

DATA, TRUST, SERVICE, DOOR, WORK = range(5)
"""Stages: upwards when starting, downwards when stopping."""

EMBEDDED = "WANGJIAN_EMBEDDED_DATABASES"
"""Variable with the names of the databases that live in the embedded server, separated by commas."""

_AUTHORITIES = ("tsa", "tsa-b")
"""Two development time-stamping authorities of two (fictitious) operators, served by one process."""

SOURCE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Stack:
    """All children, and the environment they and the once-only commands share."""

    children: tuple[Child, ...]
    env: Mapping[str, str]
    url: str
    market_url: str | None
    databases: Child
    """Not a process that stays: makes databases and schemas, then ends."""

    def of(self, *stages: int) -> list[Child]:
        """The children of these stages."""
        return [child for child in self.children if child.stage in stages]


def market_port(settings: Settings) -> int:
    """Port of the demo market: the one after the gateway's unless set."""
    return settings.market_port or settings.port + 1


def build(settings: Settings, *, demo: bool) -> Stack:
    """The stack these settings ask for: whatever has an external URL is not started here."""
    embedded = [name for name in DATABASES if getattr(settings, f"database_url_{name}") is None]
    env = environment(settings, embedded, demo=demo)
    children: list[Child] = []
    if embedded:
        children.append(_postgres(settings))
    if settings.redis_url is None:
        children.append(_redis(settings))
    own = [name for name in ("tsa", "custodian", *SERVICES) if getattr(settings, f"{name}_url") is None]
    children += [_trust(settings, env, name) for name in ("tsa", "custodian") if name in own]
    children += [_service(settings, env, name) for name in SERVICES if name in own]
    children.append(_gateway(settings, env))
    children += _workers(settings, env)
    if demo:
        children.append(_market(settings, env))
    market = f"http://127.0.0.1:{market_port(settings)}" if demo else None
    url = f"http://{settings.host}:{settings.port}"
    return Stack(tuple(children), env, url, market, _databases(env))


def environment(settings: Settings, embedded: list[str], *, demo: bool) -> dict[str, str]:
    """Environment of every child of ours: the caller's, with each address spelled out."""
    env = {
        **os.environ,
        "WANGJIAN_HOME": str(settings.home),
        "WANGJIAN_PORT": str(settings.port),
        "WANGJIAN_REDIS_URL": settings.redis_location,
        EMBEDDED: ",".join(embedded),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH", "")))),
    }
    if embedded:
        server = EmbeddedPostgres(settings.home, settings.run_dir)
        env |= {f"WANGJIAN_DATABASE_URL_{name.upper()}": server.url(name) for name in embedded}
    for name in DATABASES:
        env.setdefault(f"WANGJIAN_DATABASE_URL_{name.upper()}", settings.database_url(name))
    for name in ("tsa", "custodian", *SERVICES):
        env[f"WANGJIAN_{name.upper()}_URL"] = settings.service_url(name)
    if settings.tsa_url is None:
        env["WANGJIAN_TSA_URL"] = ",".join(f"unix:{settings.run_dir}/{name}.sock" for name in _AUTHORITIES)
    env["WANGJIAN_GATEWAY_URL"] = settings.gateway_url or f"http://{settings.host}:{settings.port}"
    if demo:
        port = market_port(settings)
        given = env.get("WANGJIAN_CAPTURE_ALLOW", "")
        env["WANGJIAN_MARKET_PORT"] = str(port)
        env["WANGJIAN_CAPTURE_ALLOW"] = ",".join(filter(None, (given, *_market_targets(port))))
    return env


def _market_targets(port: int) -> list[str]:
    return [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "*.localhost")]


def _postgres(settings: Settings) -> Child:
    server = EmbeddedPostgres(settings.home, settings.run_dir)
    return _database("postgres", "数据库", server, stop_seconds=60)


def _redis(settings: Settings) -> Child:
    return _database("redis", "消息队列", EmbeddedRedis(settings.home, settings.run_dir), stop_seconds=20)


def _database(name: str, zh: str, server: EmbeddedPostgres | EmbeddedRedis, *, stop_seconds: float) -> Child:
    return Child(
        name=name,
        zh=zh,
        argv=server.argv,
        env=server.environment(),
        stage=DATA,
        ready=probes.blocking(server.ready),
        prepare=server.prepare,
        ready_seconds=24 * 3600,  # a long recovery must never be cut short: it would begin again
        stop_signal=server.stop_signal,
        stop_seconds=stop_seconds,
        bare=True,
    )


def _databases(env: Mapping[str, str]) -> Child:
    async def never() -> bool:
        return False

    return Child("databases", "数据表", _python("infra.launcher.databases"), env, DATA, never)


def _python(*arguments: str) -> Callable[[], tuple[str, ...]]:
    return lambda: (sys.executable, "-m", *arguments)


def _uvicorn(app: str, *where: str) -> Callable[[], tuple[str, ...]]:
    # The gateway decides itself whom it believes about a client's address: uvicorn must not rewrite it.
    return _python(
        "uvicorn", "--factory", app, *where, "--no-proxy-headers", "--no-server-header",
        "--loop", "uvloop", "--http", "httptools", "--log-level", "warning",
        "--timeout-graceful-shutdown", "5",
    )  # fmt: skip


def _socket(url: str) -> Path:
    return Path(url.removeprefix("unix:"))


def _trust(settings: Settings, env: Mapping[str, str], name: str) -> Child:
    urls = env[f"WANGJIAN_{name.upper()}_URL"].split(",")
    zh = {"tsa": "时间戳（开发用）", "custodian": "第三方存证（开发用）"}[name]
    return Child(
        name=name,
        zh=zh,
        argv=_python(f"infra.{name}"),
        env=env,
        stage=TRUST,
        ready=probes.http(urls[-1]),  # they are served one after the other
        prepare=_fresh(*map(_socket, urls)),
    )


def _service(settings: Settings, env: Mapping[str, str], name: str) -> Child:
    zh = {"registry": "主体库", "crawler": "采集", "evidence": "证据", "casework": "办案"}[name]
    url = settings.service_url(name)
    return Child(
        name=name,
        zh=zh,
        argv=_uvicorn(f"services.{name}.app:create_app", "--uds", str(_socket(url))),
        env=env,
        stage=SERVICE,
        ready=probes.http(url),
        prepare=_fresh(_socket(url)),
    )


def _gateway(settings: Settings, env: Mapping[str, str]) -> Child:
    return Child(
        name="gateway",
        zh="网关",
        argv=_uvicorn("gateway.app:create_app", "--host", settings.host, "--port", str(settings.port)),
        env=env,
        stage=DOOR,
        ready=probes.http(f"http://{settings.host}:{settings.port}"),
    )


def _workers(settings: Settings, env: Mapping[str, str]) -> list[Child]:
    """Celery: one capture at a time (a browser fills two cores), four small tasks, and the clock."""
    schedule = settings.home / "beat"
    quiet = ("--loglevel", "WARNING")
    lean = ("--without-gossip", "--without-mingle", *quiet)
    rows = (
        (
            "worker-capture",
            "采集任务",
            ("worker", "-n", "capture@%h", "-Q", "capture", "-c", "1", "-P", "threads", *lean),
        ),
        (
            "worker-default",
            "后台任务",
            ("worker", "-n", "default@%h", "-Q", "default", "-c", "4", "-P", "threads", *lean),
        ),
        ("beat", "定时任务", ("beat", "--schedule", str(schedule / "schedule"), "--pidfile=", *quiet)),
    )
    children = []
    for name, zh, arguments in rows:
        ready = settings.run_dir / f"{name}.ready"
        children.append(
            Child(
                name=name,
                zh=zh,
                argv=_python("celery", "-A", "infra.worker", "--quiet", *arguments),
                env={**env, "WANGJIAN_READY_FILE": str(ready)},
                stage=WORK,
                ready=probes.file_exists(ready),
                prepare=_fresh(ready, folder=schedule),
            )
        )
    return children


def _market(settings: Settings, env: Mapping[str, str]) -> Child:
    port = market_port(settings)
    return Child(
        name="market",
        zh="演示商城",
        argv=_python("infra.demo_market", "--host", "127.0.0.1", "--port", str(port)),
        env=env,
        stage=TRUST,
        ready=probes.listens(f"http://127.0.0.1:{port}"),
    )


def _fresh(*paths: Path, folder: Path | None = None) -> Callable[[], None]:
    """Before a start: drop the sockets or ready file of the last run, make the folder the child writes to."""

    def prepare() -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    return prepare
