"""Running one capture under its lease, from claim to seal."""

import asyncio
import os
import socket
from dataclasses import asdict
from typing import Any

import structlog
from playwright.async_api import Error as BrowserError
from sqlalchemy.exc import SQLAlchemyError

from services.common.client import ServiceClient
from services.common.clock import rfc3339, utc_now
from services.common.database import Database
from services.common.keys import load_signers
from services.common.problems import Problem
from services.common.settings import Settings
from services.crawler.captures import repository
from services.crawler.captures.models import Capture
from services.crawler.captures.progress import StepWriter
from services.crawler.captures.rules import (
    HEARTBEAT_SECONDS,
    MAX_CRASHES,
    MAX_FAILURES,
    backoff_seconds,
    retryable,
)
from services.crawler.captures.sealing import log_order, seal, upload
from services.crawler.egress.proxy import EgressProxy
from services.crawler.jail.browser import JailedBrowser
from services.crawler.manifest.statement import Order, sign_statement
from services.crawler.recording.clock import CaptureClock
from services.crawler.recording.findings import Job, Recorded
from services.crawler.recording.reasons import CRASHED
from services.crawler.recording.session import CaptureSession
from services.crawler.recording.spool import Artefact, Spool
from services.crawler.settings import CaptureLimits

log = structlog.get_logger()


class LeaseLostError(Exception):
    """Another worker has the capture now; whatever this one still does must have no effect."""


class CancelledByUserError(Exception):
    """Someone cancelled the capture."""


class CaptureRunner:
    """Everything one worker needs to run captures, one at a time."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        evidence: ServiceClient,
        jail: JailedBrowser,
        proxy: EgressProxy,
        limits: CaptureLimits,
    ) -> None:
        self._settings, self._database, self._evidence = settings, database, evidence
        self._jail, self._proxy, self._limits = jail, proxy, limits
        self._clock = CaptureClock()
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    async def run(self, capture_id: str) -> bool:
        """Run a capture if it is there to be taken; False when another worker has it or it has ended."""
        async with self._database.transaction() as session:
            row = await repository.claim(session, capture_id, self.name)
            if row is None:
                return False
            why = {"zh": "执行进程中断,重新执行", "en": "the worker was interrupted; started again"}
            await repository.interrupt_steps(session, capture_id, why)
        log.info("capture.claimed", capture_id=capture_id, attempt=row.attempt)
        steps = StepWriter(self._database, capture_id, row.attempt)
        work = asyncio.ensure_future(self._work(row, steps))
        watch = asyncio.ensure_future(self._keep_lease(row, work))
        try:
            await self._end(row, steps, work, watch)
        finally:
            steps.stop()
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        return True

    async def _keep_lease(self, row: Capture, work: asyncio.Future[Any]) -> None:
        """Extend the lease; stop the work when it is lost or a cancel was asked for."""
        while True:
            try:
                async with self._database.transaction() as session:
                    cancel = await repository.extend(session, row.id, row.attempt)
            except SQLAlchemyError:
                # A restarting database; the lease outlives a few missed heartbeats.
                log.warning("capture.heartbeat_missed", capture_id=row.id)
                await asyncio.sleep(1.0)
                continue
            if cancel is None:
                work.cancel()
                raise LeaseLostError
            if cancel:
                work.cancel()
                raise CancelledByUserError
            await asyncio.sleep(HEARTBEAT_SECONDS if row.envelope else 1.0)

    async def _end(
        self, row: Capture, steps: StepWriter, work: asyncio.Future[Any], watch: asyncio.Future[Any]
    ) -> None:
        """Wait for the work and write how it ended."""
        try:
            values = await work
        except asyncio.CancelledError:
            await steps.close()
            stopped = watch.exception() if watch.done() and not watch.cancelled() else None
            if isinstance(stopped, CancelledByUserError):
                await self._change(row, {"state": "cancelled", "finished_at": utc_now()})
                await asyncio.to_thread(self._spool(row.id).remove)
            elif not isinstance(stopped, LeaseLostError):
                raise
        except LeaseLostError:
            log.warning("capture.lease_lost", capture_id=row.id, attempt=row.attempt)
        except (Problem, ExceptionGroup, OSError, BrowserError) as error:
            await self._later_or_never(row, steps, error)
        else:
            await steps.close()
            if await self._change(row, values):
                await asyncio.to_thread(self._spool(row.id).remove)

    async def _later_or_never(self, row: Capture, steps: StepWriter, error: Exception) -> None:
        """After a failure of ours: try again later while that can help, else say why it ended."""
        problem = _as_problem(error)
        log.warning("capture.attempt_failed", capture_id=row.id, code=problem.code, error=str(error)[:300])
        reason = {"code": problem.code, "zh": problem.zh, "en": problem.en}
        steps.fail_running(reason)
        await steps.close()
        if retryable(problem) and row.failures < MAX_FAILURES:
            async with self._database.transaction() as session:
                await repository.release(
                    session, row.id, row.attempt, backoff_seconds(row.failures + 1), reason
                )
        else:
            await self._change(row, {"state": "failed", "reason": reason, "finished_at": utc_now()})

    async def _change(self, row: Capture, values: dict[str, Any]) -> bool:
        async with self._database.transaction() as session:
            return await repository.change(session, row.id, row.attempt, values)

    def _spool(self, capture_id: str) -> Spool:
        return Spool(self._settings.spool_dir / capture_id)

    async def _work(self, row: Capture, steps: StepWriter) -> dict[str, Any]:
        """Capture unless that is done already, upload, seal; gives the row's final values."""
        spool = self._spool(row.id)
        if row.envelope is None or row.artefacts is None:
            if row.crashes > MAX_CRASHES:
                raise _given_up()
            # Asked before the order is logged: a wrong clock must not leave an order without evidence.
            await self._clock.measured()
            await self._log_order(row, steps)
            recorded = await self._record(row, spool, steps)
            await self._keep_manifest(row, spool, recorded, steps)
        artefacts = [Artefact(**item) for item in row.artefacts or []]
        steps.tell("upload", "running", {})
        await upload(self._evidence, row.id, spool, [a for a in artefacts if spool.place(a.path).is_file()])
        size = sum(a.bytes for a in artefacts)
        steps.tell("upload", "done", {"files": len(artefacts), "bytes": size})
        sealed = await seal(self._evidence, row.id, row.envelope or {}, steps)
        return {
            "state": "sealed",
            "outcome": row.outcome,
            "reason": row.reason,
            "evidence_no": sealed["evidence_no"],
            "package_sha256": sealed["package_sha256"],
            "package_sm3": sealed["package_sm3"],
            "package_bytes": sealed["package_bytes"],
            "finished_at": utc_now(),
        }

    async def _log_order(self, row: Capture, steps: StepWriter) -> None:
        """Before the browser touches the network: an order without evidence must be noticed."""
        steps.tell("order_logged", "running", {})
        order = {
            "url": row.url,
            "purpose": row.purpose,
            "ordered_by": row.ordered_by,
            "org_code": row.org_code,
            "region_code": row.region_code,
            "ordered_at": rfc3339(row.created_at),
        }
        logged = await log_order(self._evidence, row.id, order)
        row.beacon, row.order_leaf = logged["checkpoint"], logged["leaf_hash"]
        await self._change(row, {"beacon": row.beacon, "order_leaf": row.order_leaf})
        steps.tell("order_logged", "done", {"log_index": logged["log_index"], "leaf_hash": row.order_leaf})

    async def _record(self, row: Capture, spool: Spool, steps: StepWriter) -> Recorded:
        """Capture; once more when the browser died, because the page need not be the cause."""
        earlier: tuple[str, ...] = ()
        while True:
            await asyncio.to_thread(spool.wipe)
            job = Job(row.id, row.url, row.order_leaf or "", earlier)
            session = CaptureSession(
                job, self._jail, self._proxy, spool, self._limits, steps.tell, self._clock
            )
            recorded = await session.run()
            reason = recorded.outcome.reason
            if earlier or reason is not CRASHED:
                return recorded
            log.warning("capture.browser_crashed", capture_id=row.id)
            earlier = (CRASHED.code,)

    async def _keep_manifest(self, row: Capture, spool: Spool, recorded: Recorded, steps: StepWriter) -> None:
        """Sign, make the files durable, store the manifest: from now on the page is not visited again."""
        steps.tell("hashing", "running", {})
        order = Order(
            row.id, row.url, row.purpose, row.ordered_by, row.beacon or "", row.order_leaf or "", row.attempt
        )
        # Asked for each time: a rotated key is taken up without a restart.
        signers = await asyncio.to_thread(load_signers, self._settings, "worker")
        envelope = sign_statement(order, recorded, spool.artefacts, signers)
        await asyncio.to_thread(spool.sync)
        row.envelope, row.artefacts = dict(envelope), [asdict(a) for a in spool.artefacts]
        row.outcome = recorded.outcome.state
        row.reason = recorded.outcome.reason.row() if recorded.outcome.reason else None
        values = {
            "envelope": row.envelope, "artefacts": row.artefacts, "outcome": row.outcome,
            "reason": row.reason, "title": recorded.title[:500] or None,
        }  # fmt: skip
        async with self._database.transaction() as session:
            kept = await repository.keep_manifest(session, row.id, row.attempt, values)
        if not kept:
            # Cancelled or lost: the heartbeat, due within a second, finds out which and ends this task.
            await asyncio.sleep(HEARTBEAT_SECONDS * 2)
            raise LeaseLostError
        steps.tell("hashing", "done", {"files": len(spool.artefacts)})


def _as_problem(error: BaseException) -> Problem:
    """What a failure of ours is called; a group of failed uploads is called by its first."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BaseExceptionGroup):
        return _as_problem(error.exceptions[0])
    if isinstance(error, OSError):
        return Problem(
            "capture.worker_disk",
            507,
            zh="采集服务器磁盘读写失败,系统稍后自动重试",
            en="the capture machine's disk failed or is full; it will be tried again",
        )
    return Problem(
        "capture.browser_unavailable",
        503,
        zh="浏览器无法启动,系统稍后自动重试",
        en="the browser could not be started; it will be tried again",
    )


def _given_up() -> Problem:
    return Problem(
        "capture.given_up",
        422,
        zh=f"采集进程连续中断 {MAX_CRASHES} 次,已停止重试",
        en=f"the worker was interrupted {MAX_CRASHES} times in a row; given up",
    )
