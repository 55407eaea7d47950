"""Running a sweep: reading and hashing in a thread, no faster than allowed, remembering how far it is."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

import structlog
from cryptography.hazmat.primitives.hashes import SM3, Hash

from services.common.clock import utc_now
from services.common.database import Database
from services.common.problems import Problem
from services.evidence.objects.facts import Listed
from services.evidence.objects.store import ObjectStore
from services.evidence.sweeps import repository
from services.evidence.sweeps.models import Sweep
from services.evidence.sweeps.rules import LEASE, Expected, Finding, is_old, judged, overdue

log = structlog.get_logger()

_BLOCK = 1 << 20
_BATCH = 100
_NAMES = 500
# Progress is written down about this often, so a kill repeats no more work than that.
_SAVE_SECONDS = 1.0
_AWAY = timedelta(seconds=30)


class CancelledSweepError(Exception):
    """Someone asked the sweep to stop."""


class _Pace:
    """Reading no faster than the limit; stops in the middle of an object when told."""

    def __init__(self, bytes_per_second: float) -> None:
        self._limit = bytes_per_second
        self._began, self._bytes = time.monotonic(), 0
        self.stop = threading.Event()

    def took(self, count: int) -> None:
        """Note bytes read; waits when that was too fast. Raises CancelledSweepError."""
        self._bytes += count
        wait = overdue(self._bytes, time.monotonic() - self._began, self._limit)
        if self.stop.wait(wait) if wait > 0.001 else self.stop.is_set():
            raise CancelledSweepError


class SweepRunner:
    """Runs one sweep at a time over a store."""

    def __init__(self, database: Database, store: ObjectStore, bytes_per_second: float) -> None:
        self._database, self._store, self._limit = database, store, bytes_per_second

    async def run_next(self) -> str | None:
        """Run the sweep that waits, or goes on with one whose runner died; gives its state, None without one.

        A store or database that is away ends this run; the sweep stays and goes on later.
        """
        now = utc_now()
        async with self._database.transaction() as session:
            sweep = await repository.claim(session, now, now + LEASE)
        if sweep is None:
            return None
        pace = _Pace(self._limit)
        heartbeat = asyncio.create_task(self._heartbeat(sweep.id, pace), name="sweep-heartbeat")
        try:
            await self._run(sweep, pace)
            return await self._end(sweep.id, "done")
        except CancelledSweepError:
            return await self._end(sweep.id, "cancelled")
        except Problem as problem:
            log.error("sweep.interrupted", sweep_id=sweep.id, code=problem.code)
            await self._save(sweep.id, {"last_error": problem.en, "lease_until": utc_now() + _AWAY})
            return "running"
        except asyncio.CancelledError:
            # The service stops: the next one goes on at once.
            await asyncio.shield(self._save(sweep.id, {"lease_until": None}))
            raise
        finally:
            pace.stop.set()
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)

    async def _heartbeat(self, sweep_id: str, pace: _Pace) -> None:
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            if not await self._save(sweep_id, {"lease_until": utc_now() + LEASE}):
                pace.stop.set()
                return

    async def _save(
        self, sweep_id: str, values: dict[str, Any], findings: list[Finding] | None = None
    ) -> bool:
        async with self._database.transaction() as session:
            return await repository.advance(session, sweep_id, values, findings or [])

    async def _end(self, sweep_id: str, state: str) -> str:
        values = {"state": state, "finished_at": utc_now(), "lease_until": None, "slot": None}
        await self._save(sweep_id, {**values, "last_error": None})
        log.info("sweep.ended", sweep_id=sweep_id, state=state)
        return state

    async def _run(self, sweep: Sweep, pace: _Pace) -> None:
        phase, cursor = sweep.phase, sweep.cursor
        if phase == "objects":
            async with self._database.transaction() as session:
                objects, size = await repository.totals(session)
            await self._save(sweep.id, {"objects_total": objects, "bytes_total": size})
            await self._objects(sweep, cursor, pace)
            await self._save(sweep.id, {"phase": "listing", "cursor": ""})
            cursor = ""
        await self._listing(sweep, cursor, pace)

    async def _objects(self, sweep: Sweep, cursor: str, pace: _Pace) -> None:
        """Read every object that sealed items refer to."""
        objects, size = sweep.objects_done, sweep.bytes_done
        while True:
            async with self._database.transaction() as session:
                batch = await repository.expected(session, cursor, _BATCH)
            if not batch:
                return
            found, saved = list[Finding](), time.monotonic()
            for item in batch:
                finding, count = await asyncio.to_thread(_check, self._store, item, pace)
                if finding:
                    log.error("sweep.found", kind=finding.kind, sha256=finding.name, detail=finding.detail)
                    found.append(finding)
                objects, size, cursor = objects + 1, size + count, item.sha256
                if time.monotonic() - saved > _SAVE_SECONDS or item is batch[-1]:
                    values = {"objects_done": objects, "bytes_done": size, "cursor": cursor}
                    await self._continue(sweep.id, values, found)
                    found, saved = [], time.monotonic()

    async def _continue(self, sweep_id: str, values: dict[str, Any], found: list[Finding]) -> None:
        if not await self._save(sweep_id, values, found):
            raise CancelledSweepError

    async def _listing(self, sweep: Sweep, cursor: str, pace: _Pace) -> None:
        """Look for names that no item refers to, and for objects that were written over."""
        listed, names = sweep.listed, self._store.listing(cursor)
        while True:
            pace.took(0)
            chunk = await asyncio.to_thread(_take, names)
            if not chunk:
                return
            async with self._database.transaction() as session:
                known = await repository.known(session, [one.name for one in chunk])
            found = [finding for one in chunk if (finding := _unexpected(one, known))]
            for finding in found:
                log.error("sweep.found", kind=finding.kind, sha256=finding.name)
            listed += len(chunk)
            await self._continue(sweep.id, {"listed": listed, "cursor": chunk[-1].name}, found)


def _take(names: Iterator[Listed]) -> list[Listed]:
    return list(islice(names, _NAMES))


def _unexpected(one: Listed, known: set[str]) -> Finding | None:
    if one.name not in known:
        old = is_old(one.modified, utc_now())
        return Finding(one.name, "unreferenced", f"{one.bytes} bytes") if old else None
    if one.covered:
        return Finding(one.name, "covered", "a newer version or a delete marker lies over it")
    return None


def _check(store: ObjectStore, item: Expected, pace: _Pace) -> tuple[Finding | None, int]:
    """Read one object; gives the finding, if any, and the bytes read. For a thread."""
    sha256, sm3, size = hashlib.sha256(), Hash(SM3()), 0
    try:
        with store.open(item.sha256) as file:
            while block := file.read(_BLOCK):
                sha256.update(block)
                sm3.update(block)
                size += len(block)
                pace.took(len(block))
    except FileNotFoundError:
        return Finding(item.sha256, "missing", "", item.evidence_ids), size
    except OSError as error:
        return Finding(item.sha256, "damaged", f"cannot be read: {error.strerror}", item.evidence_ids), size
    return judged(item, sha256.hexdigest(), sm3.finalize().hex(), size), size
