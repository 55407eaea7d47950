"""Telling the workers about a capture. A hint only: what is lost is found again in the table."""

import asyncio

from services.common.queue import celery

TASK = "crawler.run_capture"


async def send_hint(capture_id: str) -> None:
    """Send the queue message for a capture. Raises kombu's errors when the broker is away."""
    await asyncio.to_thread(celery.send_task, TASK, args=[capture_id], queue="capture", retry=False)
