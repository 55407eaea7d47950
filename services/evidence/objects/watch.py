"""Proving at the start that the store refuses to forget, and saying what was found."""

import asyncio
import contextlib
from typing import Any

import structlog

from services.common.problems import Problem
from services.evidence.objects.opening import not_worm
from services.evidence.objects.store import ObjectStore, Worm

log = structlog.get_logger()

_AGAIN_SECONDS = 30.0


class StoreWatch:
    """Probes the store when the service starts; again and again while the store is away."""

    def __init__(self, store: ObjectStore, *, require_worm: bool) -> None:
        self._store, self._require = store, require_worm
        self.worm = Worm("unknown")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Probe. Raises Problem 503 `evidence.store_not_worm` when the settings ask for a WORM store and this
        one is none or could not be asked."""
        await self._probe()
        if self._require and self.worm.state != "enforced":
            raise not_worm(self.worm.faults or (self.worm.state,))
        if self.worm.state == "unknown":
            self._task = asyncio.create_task(self._until_known(), name="store-probe")

    async def stop(self) -> None:
        """Stop asking."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def report(self) -> dict[str, Any]:
        """For the health page: {store, worm, worm_faults}."""
        return {"store": self._store.kind, "worm": self.worm.state, "worm_faults": list(self.worm.faults)}

    async def _probe(self) -> None:
        try:
            self.worm = await asyncio.to_thread(self._store.probe)
        except Problem as problem:
            self.worm = Worm("unknown", (problem.en,))
            log.error("store.probe_failed", reason=problem.en)

    async def _until_known(self) -> None:
        while self.worm.state == "unknown":
            await asyncio.sleep(_AGAIN_SECONDS)
            await self._probe()
