"""Celery tasks of captures. A message is a hint; the table decides."""

import asyncio
from typing import Any

import structlog
from celery.signals import worker_ready, worker_shutdown

from services.common.queue import celery, run_async, worker_database, worker_loop
from services.crawler.captures import repository
from services.crawler.captures.queue import TASK, send_hint

log = structlog.get_logger()

_REMIND_EVERY = 5.0
_REMIND_AFTER = 30
_REMIND_AT_ONCE = 50

celery.conf.beat_schedule["crawler-remind"] = {
    "task": "crawler.remind_captures",
    "schedule": _REMIND_EVERY,
    "options": {"expires": 10},
}


@celery.task(name=TASK)  # type: ignore[untyped-decorator]
def run_capture(capture_id: str) -> bool:
    """Run a capture if it still waits; a doubled message does nothing."""

    # Imported here: the other workers and the clock know this task, but need no browser.
    from services.crawler.captures.worker import the_worker

    async def run() -> bool:
        worker = await the_worker()
        return await worker.run(capture_id)

    return run_async(run())


@celery.task(name="crawler.remind_captures")  # type: ignore[untyped-decorator]
def remind_captures() -> int:
    """Send the message again for captures whose message or worker was lost; gives how many."""

    async def remind() -> int:
        async with worker_database("crawler").transaction() as session:
            due = await repository.to_remind(session, _REMIND_AT_ONCE, _REMIND_AFTER)
        for capture_id in due:
            await send_hint(capture_id)
        return len(due)

    return run_async(remind())


def _takes_captures() -> bool:
    queues = celery.amqp.queues.consume_from
    return "capture" in queues


def _warm_up(**_: Any) -> None:
    """Start the browser with the worker, so that the first capture need not wait for it."""
    if _takes_captures():
        from services.crawler.captures.worker import the_worker

        asyncio.run_coroutine_threadsafe(the_worker(), worker_loop()).add_done_callback(_tell)


def _tell(started: Any) -> None:
    error = started.exception()
    if error:
        log.error("worker.start_failed", error=str(error)[:500])


def _close(**_: Any) -> None:
    if _takes_captures():
        from services.crawler.captures.worker import close_the_worker

        run_async(close_the_worker())


worker_ready.connect(_warm_up, weak=False)
worker_shutdown.connect(_close, weak=False)
