"""Sealing in the background of requests: one run an item, any number of listeners, resumed until done."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import structlog

from services.common.clock import utc_now
from services.common.problems import Problem
from services.evidence.items import progress, repository
from services.evidence.items.sealing import Line, Sealer

log = structlog.get_logger()

EVERY_SECONDS = 10.0
_GRACE = timedelta(seconds=10)
_AT_ONCE = 4
_MOST = 1000
# A minute: what waits for an authority or a custodian goes on soon after it is back.
_LONGEST_PAUSE = 60.0


class _Run:
    """One run's lines so far; listeners wait for more."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.done = False
        self.changed = asyncio.Condition()

    async def tell(self, line: Line | None) -> None:
        async with self.changed:
            if line is None:
                self.done = True
            else:
                self.lines.append(line)
            self.changed.notify_all()


class SealingJobs:
    """Runs the sealer. A caller that goes away does not stop a run; a second caller joins it."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._runs: dict[str, tuple[_Run, asyncio.Task[None]]] = {}
        self._pause: dict[str, tuple[float, float]] = {}
        self._reconciler: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to resume unfinished items."""
        self._reconciler = asyncio.create_task(self._reconcile(), name="seal-reconciler")

    async def stop(self) -> None:
        """Stop; unfinished items go on at the next start."""
        tasks = [task for _, task in self._runs.values()]
        if self._reconciler:
            tasks.append(self._reconciler)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def follow(self, evidence_id: str, envelope: Mapping[str, Any] | None) -> AsyncIterator[list[Line]]:
        """Start or join the run of an item; gives its lines as they come, the last `digested` or `error`."""
        run, seen = self._begin(evidence_id, envelope), 0
        while True:
            async with run.changed:
                while len(run.lines) == seen and not run.done:
                    await run.changed.wait()
                fresh, done = run.lines[seen:], run.done
            if fresh:
                yield fresh
            seen += len(fresh)
            if done and seen == len(run.lines):
                return

    def _begin(self, evidence_id: str, envelope: Mapping[str, Any] | None) -> _Run:
        known = self._runs.get(evidence_id)
        if known:
            return known[0]
        run = _Run()
        task = asyncio.create_task(self._work(evidence_id, envelope, run), name=f"seal-{evidence_id}")
        self._runs[evidence_id] = (run, task)
        return run

    async def _work(self, evidence_id: str, envelope: Mapping[str, Any] | None, run: _Run) -> None:
        try:
            async for line in self._sealer.seal(evidence_id, envelope):
                await run.tell(line)
            self._pause.pop(evidence_id, None)
        except Problem as problem:
            await self._failed(evidence_id, problem, run)
        except Exception as error:
            log.error("seal.crashed", evidence_id=evidence_id, exc_info=error)
            await self._failed(evidence_id, _crash(), run)
        finally:
            self._runs.pop(evidence_id, None)
            await run.tell(None)

    async def _failed(self, evidence_id: str, problem: Problem, run: _Run) -> None:
        await run.tell(progress.failed(problem))
        await self._note([evidence_id], problem)

    async def _note(self, evidence_ids: list[str], problem: Problem) -> None:
        """Keep why these items stopped, and let each rest before it is tried again."""
        now = asyncio.get_running_loop().time()
        for evidence_id in evidence_ids:
            pause = min(self._pause.get(evidence_id, (0.0, EVERY_SECONDS / 2))[1] * 2, _LONGEST_PAUSE)
            self._pause[evidence_id] = (now + pause, pause)
        try:
            async with self._sealer.runtime.database.transaction() as session:
                await repository.note_failure(session, evidence_ids, problem.document())
        except Exception as error:
            # The database itself may be what failed; the items' stages are safe there either way.
            log.error("seal.failure_not_noted", evidence_ids=evidence_ids, exc_info=error)

    async def _reconcile(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.resume()
                await self.copy_further()
            except Exception as error:
                log.error("seal.reconcile_failed", exc_info=error)

    async def resume(self, *, grace: timedelta = _GRACE) -> int:
        """Go on with what stopped half-way and whose pause is over; gives how many items were tried.

        Items that wait for their time stamps are stamped together first, with one request to each authority.
        """
        async with self._sealer.runtime.database.transaction() as session:
            found = await repository.unsealed(session, utc_now() - grace, _MOST)
        due = [(item, stage) for item, stage in found if self._due(item)]
        unstamped = [item for item, stage in due if stage == "signed"]
        failed = await self._stamp(unstamped) if len(unstamped) > 1 else set()
        limit = asyncio.Semaphore(_AT_ONCE)

        async def go_on(evidence_id: str) -> None:
            async with limit:
                async for lines in self.follow(evidence_id, None):
                    log.info("seal.resumed", evidence_id=evidence_id, ops=[line["op"] for line in lines])

        await asyncio.gather(*(go_on(item) for item, _ in due if item not in failed))
        return len(due)

    def _due(self, evidence_id: str) -> bool:
        now = asyncio.get_running_loop().time()
        return evidence_id not in self._runs and self._pause.get(evidence_id, (0.0, 0.0))[0] <= now

    async def _stamp(self, evidence_ids: list[str]) -> set[str]:
        """Stamp waiting items as one batch; gives those that must wait on because no authority answered."""
        try:
            await self._sealer.stamp_batch(evidence_ids)
        except Problem as problem:
            log.warning("seal.batch_not_stamped", items=len(evidence_ids), code=problem.code)
            await self._note(evidence_ids, problem)
            return set(evidence_ids)
        return set()

    async def copy_further(self) -> int:
        """Have every custodian keep what was sealed without it; gives how many copies were made."""
        runtime = self._sealer.runtime
        names = [custodian.pinned.name for custodian in runtime.custodians()]
        if len(names) == 1:
            return 0  # nothing is sealed without it
        async with runtime.database.transaction() as session:
            lacking = await repository.lacking_copies(session, names, _MOST)
        made = 0
        for evidence_id in lacking:
            try:
                made += await self._sealer.replicate_further(evidence_id)
            except Problem as problem:
                log.warning("seal.copy_owed", evidence_id=evidence_id, code=problem.code)
                break
        return made


def _crash() -> Problem:
    return Problem(
        "evidence.seal_interrupted",
        500,
        zh="固证过程意外中断,系统将自动继续",
        en="sealing was interrupted; it goes on by itself",
    )
