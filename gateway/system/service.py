"""Asks every part of the platform how it is, all at once, and says what it heard."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from gateway.routing.proxy import Proxy
from gateway.system.schemas import Part, State, SystemState
from services.common.clock import rfc3339, utc_now
from services.common.database import Database
from services.common.settings import SERVICES, Settings

_PATIENCE: Final = 2.0
_REMEMBERED: Final = 3.0
_NAMES: Final = {
    "registry": ("主体档案", "registry"),
    "crawler": ("网页采集", "crawler"),
    "evidence": ("电子证据", "evidence"),
    "casework": ("线索与案件", "casework"),
    "tsa": ("时间戳", "time stamping authority"),
    "custodian": ("第三方存证", "custodian"),
    "postgres": ("数据库", "database"),
    "redis": ("消息与限流", "messages and rate limits"),
    "workers": ("后台任务", "background workers"),
    "jail": ("浏览器隔离", "browser jail"),
}
# The crawler's words for how the browser is confined, and whether that is all we promise.
_JAILS: Final[dict[str, tuple[State, str, str]]] = {
    "namespace": (
        "ok",
        "独立网络命名空间，唯一出口为检查代理",
        "empty network namespace, the checking proxy is the only way out",
    ),
    "proxy-only": (
        "degraded",
        "内核不允许命名空间，仅由代理拦截",
        "the kernel forbids namespaces: the proxy alone stops traffic",
    ),
}
QUEUES: Final = frozenset({"capture", "default"})

Inspect = Callable[[], dict[str, list[str]]]


class SystemHealth:
    """One a process; answers are remembered for three seconds."""

    def __init__(self, settings: Settings, database: Database, proxy: Proxy, inspect: Inspect) -> None:
        self._settings, self._database, self._proxy, self._inspect = settings, database, proxy, inspect
        self._last: tuple[float, SystemState] | None = None
        self._turn = asyncio.Lock()

    async def state(self) -> SystemState:
        """The state of every part, at most three seconds old."""
        async with self._turn:
            if self._last is None or time.monotonic() - self._last[0] > _REMEMBERED:
                self._last = (time.monotonic(), await self._ask())
            return self._last[1]

    async def _ask(self) -> SystemState:
        answers = await asyncio.gather(
            *(self._service(name) for name in SERVICES),
            *(self._outside(name) for name in ("tsa", "custodian")),
            self._postgres(),
            self._redis(),
            self._workers(),
        )
        parts = list(answers)
        told = {part.name: part for part in parts}
        if jail := jail_of(told["crawler"]):
            parts.append(jail)
        broken = [part for part in parts if part.state != "ok"]
        zh = "、".join(part.zh for part in broken)
        return SystemState(
            status="degraded" if broken else "ok",
            line_zh=f"需要关注：{zh}" if broken else "各部分运行正常",
            line_en="needs attention: " + ", ".join(p.en for p in broken) if broken else "all parts work",
            checked_at=rfc3339(utc_now()),
            parts=parts,
        )

    async def _service(self, name: str) -> Part:
        began = time.perf_counter()
        try:
            status, body = await self._proxy.get_json(name, "/health/ready", {}, _PATIENCE)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return _part(name, "down", "无应答", f"does not answer ({type(error).__name__})", began)
        checks = body.get("checks", {}) if isinstance(body, dict) else {}
        failing = sorted(key for key, value in checks.items() if not value.get("ok"))
        refusal = next((value["refusal"] for value in checks.values() if value.get("refusal")), None)
        if refusal is not None:
            return _part(name, "degraded", str(refusal.get("zh")), str(refusal.get("en")), began, checks)
        if any(value.get("low") for value in checks.values()):
            return _part(name, "degraded", "存储空间不足", "storage is running low", began, checks)
        if status == 200 and not failing:
            return _part(name, "ok", "正常", "works", began, checks)
        listed = "、".join(failing) or str(status)
        return _part(
            name, "degraded", f"自检未通过：{listed}", f"its own checks fail: {listed}", began, checks
        )

    async def _outside(self, name: str) -> Part:
        """Parties that need not be ours, of which there may be several of a kind."""
        began = time.perf_counter()
        answers = await asyncio.gather(*map(self._answer, self._proxy.parties(name)))
        well = answers.count("")
        if well == len(answers):
            return _part(name, "ok", "正常", "works", began)
        reason = next(answer for answer in answers if answer)
        if len(answers) == 1:
            return _part(name, "down", "无应答或报告故障", f"does not answer ({reason})", began)
        zh, en = f"{len(answers)} 家中 {well} 家正常", f"{well} of {len(answers)} work ({reason})"
        return _part(name, "degraded" if well else "down", zh, en, began)

    async def _answer(self, party: str) -> str:
        """Empty when it answers a question about its health in whatever form, else what is wrong."""
        try:
            status, _ = await self._proxy.get_json(party, "/health/ready", {}, _PATIENCE)
        except ValueError:
            return ""  # it answered, not in JSON
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return type(error).__name__
        return f"status {status}" if status >= 500 else ""

    async def _postgres(self) -> Part:
        return await _probe("postgres", self._database.ping, SQLAlchemyError)

    async def _redis(self) -> Part:
        client = Redis.from_url(
            self._settings.redis_location, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
        )

        async def ping() -> None:
            await client.ping()

        try:
            return await _probe("redis", ping, RedisError)
        finally:
            await client.aclose()  # the stubs are of redis 4

    async def _workers(self) -> Part:
        began = time.perf_counter()
        try:
            queues = await asyncio.to_thread(self._inspect)
        except OSError as error:  # kombu's own errors derive from it
            return _part(
                "workers", "down", "无法查询（消息服务不可用）", f"cannot ask: {type(error).__name__}", began
            )
        served = {queue for listed in queues.values() for queue in listed}
        missing = sorted(QUEUES - served)
        detail = {"workers": queues}
        if not queues:
            return _part("workers", "down", "没有任何后台进程应答", "no worker answers", began, detail)
        if missing:
            zh, en = "无人处理队列：" + "、".join(missing), "nobody serves: " + ", ".join(missing)
            return _part("workers", "degraded", zh, en, began, detail)
        return _part(
            "workers", "ok", f"{len(queues)} 个后台进程在线", f"{len(queues)} workers answer", began, detail
        )


async def _probe(name: str, ping: Callable[[], Awaitable[None]], error_class: type[Exception]) -> Part:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE):
            await ping()
    except (error_class, OSError, TimeoutError) as error:
        return _part(name, "down", "无应答", f"does not answer ({type(error).__name__})", began)
    return _part(name, "ok", "正常", "works", began)


def _part(
    name: str, state: State, line_zh: str, line_en: str, began: float, detail: dict[str, Any] | None = None
) -> Part:
    zh, en = _NAMES[name]
    ms = round((time.perf_counter() - began) * 1000, 1)
    return Part(
        name=name, zh=zh, en=en, state=state, line_zh=line_zh, line_en=line_en, ms=ms, detail=detail or {}
    )


def jail_of(crawler: Part) -> Part | None:
    """How the browsers are confined, as living capture workers report it through the crawler's readiness.

    None when the crawler did not say; the weakest of several workers counts.
    """
    told = crawler.detail.get("capture")
    if not isinstance(told, dict) or "workers" not in told:
        return None
    zh, en = _NAMES["jail"]
    modes = [str(worker.get("jail", "unknown")) for worker in told["workers"]]
    if not modes:
        none = ("没有采集进程报告", "no capture worker reports")
        return Part(name="jail", zh=zh, en=en, state="down", line_zh=none[0], line_en=none[1])
    mode = next((mode for mode in modes if mode != "namespace"), "namespace")
    state, line_zh, line_en = _JAILS.get(mode, ("degraded", f"未知方式：{mode}", f"unknown mode: {mode}"))
    return Part(name="jail", zh=zh, en=en, state=state, line_zh=line_zh, line_en=line_en, detail=told)


def inspect_workers() -> dict[str, list[str]]:
    """Queues served, by worker, asked over the broker (blocking, about a second)."""
    from services.common.queue import celery

    with celery.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, timeout=_PATIENCE)
        found = celery.control.inspect(timeout=1.0, connection=connection).active_queues() or {}
    return {worker: sorted(queue["name"] for queue in queues) for worker, queues in found.items()}
