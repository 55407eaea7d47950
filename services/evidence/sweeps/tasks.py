"""The nightly sweep: the clock asks for it, the evidence service runs it."""

from celery.schedules import crontab

from services.common.queue import celery, run_async, worker_database
from services.evidence.sweeps import service

# 18:17 UTC is 02:17 in Beijing: nobody captures, and it is not the minute everyone chooses.
celery.conf.beat_schedule["evidence-sweep"] = {
    "task": "evidence.request_sweep",
    "schedule": crontab(hour=18, minute=17),
    "options": {"expires": 3600},
}


@celery.task(name="evidence.request_sweep")  # type: ignore[untyped-decorator]
def request_sweep() -> str:
    """Ask for a sweep unless one is open; gives its id."""

    async def ask() -> str:
        async with worker_database("evidence").transaction() as session:
            return (await service.request(session, "service:beat")).id

    return run_async(ask())
