"""Telling the workers about a capture. A hint only: what is lost is found again in the table."""

import asyncio

import structlog

from services.common.queue import celery

log = structlog.get_logger()

TASK = "crawler.run_capture"


async def send_hint(capture_id: str) -> None:
    """Send the queue message for a capture. Raises kombu's errors when the broker is away."""
    await asyncio.to_thread(celery.send_task, TASK, args=[capture_id], queue="capture", retry=False)


_sending: set[asyncio.Task[None]] = set()


async def send_hint_soon(capture_id: str) -> None:
    """Send it without waiting: an answer to an officer does not hang on the broker."""

    async def send() -> None:
        try:
            await send_hint(capture_id)
        except Exception as error:
            # The order is in the table; the reminder finds it when the broker is back.
            log.warning("capture.hint_lost", capture_id=capture_id, error=str(error)[:200])

    task = asyncio.ensure_future(send())
    _sending.add(task)
    task.add_done_callback(_sending.discard)
