"""The Celery application. PostgreSQL holds the truth; a lost or doubled message changes nothing."""

import asyncio
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

from celery import Celery

from services.common.database import Database
from services.common.settings import DATABASES, get_settings

T = TypeVar("T")

celery = Celery("wangjian", broker=get_settings().broker_url)
celery.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_default_queue="default",
    # The capture worker holds a browser and takes nothing else.
    task_routes={"crawler.run_capture": {"queue": "capture"}},
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    # A killed worker's messages come back after this; rows are found sooner by the reconcilers.
    broker_transport_options={
        "visibility_timeout": 300,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
    },
    worker_hijack_root_logger=False,
    beat_schedule={
        f"relay-outbox-{name}": {
            "task": "common.relay_outbox",
            "schedule": 5.0,
            "args": [name],
            "options": {"expires": 10},
        }
        for name in DATABASES
    },
)

_loop: asyncio.AbstractEventLoop | None = None
_loop_lock = threading.Lock()


def worker_loop() -> asyncio.AbstractEventLoop:
    """The worker process's one event loop, running in a thread of its own."""
    global _loop  # noqa: PLW0603 - one loop a process, because engines belong to a loop
    with _loop_lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="worker-loop", daemon=True).start()
        return _loop


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from a task on the worker's loop and wait for it."""
    return asyncio.run_coroutine_threadsafe(work, worker_loop()).result()


@cache
def worker_database(service: str) -> Database:
    """The worker process's connection pool to one service's database; use it only under `run_async`."""
    return Database(get_settings().database_url(service), service, pool_size=4)
