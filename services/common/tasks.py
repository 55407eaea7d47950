"""Celery tasks of the common part: deliver waiting facts."""

from services.common.outbox import relay
from services.common.queue import celery, run_async, worker_database
from services.common.settings import get_settings


@celery.task(name="common.relay_outbox")  # type: ignore[untyped-decorator]
def relay_outbox(service: str) -> int:
    """Deliver the waiting facts of one service; gives how many went out."""
    return run_async(relay(worker_database(service), get_settings(), service))
