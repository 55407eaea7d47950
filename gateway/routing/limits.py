"""Rate limits with the `limits` library: counted in Redis for all gateway processes together.

Without Redis each process counts for itself, so that an outage neither locks everybody out nor opens the
door; the lockout of accounts does not depend on it (PostgreSQL).
"""

import math
import time
from collections.abc import Iterable

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from prometheus_client import Counter

from gateway.routing.table import FAILURE_RATES, LIMITS, Limit
from services.common.problems import Problem

log = structlog.get_logger()
_REFUSED = Counter("gateway_rate_limited_total", "Requests refused by a rate limit", ["limit"])
_FALLBACKS = Counter("gateway_rate_limit_fallback_total", "Rate limits counted without Redis")


def storage_uri(redis_location: str) -> str:
    """The address as `limits` writes it: `async+redis+unix:///path`, `async+redis://host`."""
    if redis_location.startswith("unix://"):
        return "async+redis+" + redis_location
    return "async+" + redis_location


class RateLimits:
    """Counts and refuses."""

    def __init__(self, redis_location: str, prefix: str = "wj-limits") -> None:
        shared = RedisStorage(
            storage_uri(redis_location), wrap_exceptions=True, implementation="redispy", key_prefix=prefix
        )
        self._shared = MovingWindowRateLimiter(shared)
        self._alone = MovingWindowRateLimiter(MemoryStorage())
        self._rates = {limit.name: parse(limit.rate) for limit in LIMITS}
        self._failures = [parse(rate) for rate in FAILURE_RATES]

    async def count(self, limits: Iterable[Limit], *, source: str, person: str) -> None:
        """Count a request. Raises Problem 429 with Retry-After when it is one too many."""
        for limit in limits:
            rate, key = self._rates[limit.name], source if limit.per == "source" else person
            if not await self._hit(rate, limit.name, key):
                raise await self._refusal(rate, limit.name, key)

    async def check_failures(self, source: str) -> None:
        """Raise Problem 429 when a source had too many failed sign-ins lately."""
        for rate in self._failures:
            if not await self._test(rate, source):
                raise await self._refusal(rate, "sign-in-failures", source)

    async def count_failure(self, source: str) -> None:
        """Count a failed sign-in of a source."""
        for rate in self._failures:
            await self._hit(rate, "sign-in-failures", source)

    async def _hit(self, rate: RateLimitItem, *key: str) -> bool:
        try:
            return await self._shared.hit(rate, *key)
        except StorageError:
            self._note_fallback()
            return await self._alone.hit(rate, *key)

    async def _test(self, rate: RateLimitItem, source: str) -> bool:
        try:
            return await self._shared.test(rate, "sign-in-failures", source)
        except StorageError:
            self._note_fallback()
            return await self._alone.test(rate, "sign-in-failures", source)

    @staticmethod
    def _note_fallback() -> None:
        _FALLBACKS.inc()
        log.warning("limits.redis_unavailable")

    async def _refusal(self, rate: RateLimitItem, name: str, key: str) -> Problem:
        try:
            reset = (await self._shared.get_window_stats(rate, name, key)).reset_time
        except StorageError:
            reset = (await self._alone.get_window_stats(rate, name, key)).reset_time
        _REFUSED.labels(name).inc()
        seconds = max(1, math.ceil(reset - time.time()))
        return Problem(
            "request.too_many",
            429,
            zh=f"操作过于频繁，请 {seconds} 秒后再试",
            en=f"too many requests; try again in {seconds} s",
            todo_zh="请稍后再试",
            todo_en="wait and try again",
            extra={"retry_after_seconds": seconds, "limit": name},
            headers={"Retry-After": str(seconds)},
        )
