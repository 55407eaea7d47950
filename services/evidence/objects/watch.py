"""Proving at the start that the store refuses to forget, and saying what was found."""

import asyncio
import contextlib
from typing import Any

import structlog

from services.common.problems import Problem
from services.evidence.objects.facts import Worm
from services.evidence.objects.opening import not_worm
from services.evidence.objects.store import ObjectStore

log = structlog.get_logger()

_AGAIN_SECONDS = 30.0
_AT_START_SECONDS = 5.0


class StoreWatch:
    """Probes the store when the service starts; again and again while the store is away."""

    def __init__(self, store: ObjectStore, *, require_worm: bool) -> None:
        self._store, self._require = store, require_worm
        self.worm = Worm("unknown")
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Probe; a store that hangs is waited for a few seconds only and asked on in the background.

        Raises Problem 503 `evidence.store_not_worm` when the settings ask for a WORM store and this one is
        none or could not be asked.
        """
        if self._require:
            await self._probe()
            if self.worm.state != "enforced":
                log.error("store.refused", worm=self.worm.state, faults=self.worm.faults)
                raise not_worm(self.worm.faults or (self.worm.state,))
            return
        self._task = asyncio.create_task(self._until_known(), name="store-probe")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_AT_START_SECONDS):
                await self._asked.wait()

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
        finally:
            self._asked.set()

    async def _until_known(self) -> None:
        await self._probe()
        while self.worm.state == "unknown":
            await asyncio.sleep(_AGAIN_SECONDS)
            await self._probe()
