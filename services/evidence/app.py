"""The evidence service as an application."""

import asyncio
import os
from typing import Any

from fastapi import FastAPI

from services.common.app import create_service
from services.common.migrate import upgrade
from services.common.settings import Settings, get_settings
from services.evidence.custody.routes import router as custody
from services.evidence.grants import events
from services.evidence.intakes.routes import router as intakes
from services.evidence.items.jobs import SealingJobs
from services.evidence.items.routes import internal as sealing
from services.evidence.items.routes import router as items
from services.evidence.items.sealing import Sealer
from services.evidence.log.routes import router as log
from services.evidence.orders.routes import router as orders
from services.evidence.runtime import Runtime, open_runtime

__all__ = ["create_app", "events"]

_LOW_SPACE_BYTES = 256 << 20


def create_app(settings: Settings | None = None) -> FastAPI:
    """The evidence service: migrates its database, checks its log at start, resumes unfinished seals."""
    settings = settings or get_settings()
    app = create_service(
        "evidence",
        routers=[orders, intakes, sealing, items, custody, log],
        startup=_startup,
        shutdown=_shutdown,
        settings=settings,
    )
    app.state.checks |= {"store": _store_check(app), "log": _log_check(app)}
    return app


async def _startup(app: FastAPI) -> None:
    settings: Settings = app.state.settings
    await asyncio.to_thread(upgrade, "evidence", settings.database_url("evidence"))
    runtime = open_runtime(settings, app.state.db)
    await runtime.log.start()
    app.state.evidence = runtime
    app.state.jobs = SealingJobs(Sealer(runtime))
    app.state.jobs.start()


async def _shutdown(app: FastAPI) -> None:
    await app.state.jobs.stop()
    await app.state.evidence.close()


def _store_check(app: FastAPI) -> Any:
    async def check() -> dict[str, Any]:
        runtime: Runtime = app.state.evidence
        where = os.statvfs(runtime.store.root)
        free = where.f_bavail * where.f_frsize
        return {"free_bytes": free, "low": free < _LOW_SPACE_BYTES}

    return check


def _log_check(app: FastAPI) -> Any:
    async def check() -> dict[str, Any]:
        runtime: Runtime = app.state.evidence
        if runtime.log.failure:
            raise RuntimeError(runtime.log.failure)
        return {"size": runtime.log.size, "origin": runtime.log.origin}

    return check
