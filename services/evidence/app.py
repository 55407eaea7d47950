"""The evidence service as an application."""

import asyncio
from typing import Any

from fastapi import FastAPI

from services.common.app import create_service
from services.common.migrate import upgrade
from services.common.settings import Settings, get_settings
from services.evidence.audits.routes import router as audits
from services.evidence.custody.routes import router as custody
from services.evidence.disclosures.routes import router as disclosures
from services.evidence.grants import events
from services.evidence.intakes.routes import router as intakes
from services.evidence.items.jobs import SealingJobs
from services.evidence.items.routes import internal as sealing
from services.evidence.items.routes import router as items
from services.evidence.items.sealing import Sealer
from services.evidence.keys.routes import router as keys
from services.evidence.log.routes import keeping as log_keeping
from services.evidence.log.routes import router as log
from services.evidence.objects.watch import StoreWatch
from services.evidence.orders.routes import router as orders
from services.evidence.reconciliations.routes import router as reconciliations
from services.evidence.renewals.jobs import RenewalJobs
from services.evidence.renewals.routes import router as renewals
from services.evidence.retention.jobs import RetentionJobs
from services.evidence.retention.routes import router as retention
from services.evidence.retention.service import load_shipped
from services.evidence.runtime import Runtime, open_runtime
from services.evidence.status.routes import router as status
from services.evidence.status.service import free_space
from services.evidence.sweeps.jobs import SweepJobs
from services.evidence.sweeps.routes import router as sweeps
from services.evidence.sweeps.runner import SweepRunner
from services.evidence.sweeps.service import summary

__all__ = ["create_app", "events"]


def create_app(settings: Settings | None = None) -> FastAPI:
    """The evidence service: migrates its database, checks its log at start, resumes unfinished seals."""
    settings = settings or get_settings()
    app = create_service(
        "evidence",
        routers=[
            orders,
            intakes,
            sealing,
            items,
            disclosures,
            custody,
            retention,
            sweeps,
            keys,
            renewals,
            status,
            log,
            log_keeping,
            reconciliations,
            audits,
        ],
        startup=_startup,
        shutdown=_shutdown,
        settings=settings,
    )
    app.state.checks |= {"store": _store_check(app), "sweep": _sweep_check(app), "log": _log_check(app)}
    return app


async def _startup(app: FastAPI) -> None:
    settings: Settings = app.state.settings
    await asyncio.to_thread(upgrade, "evidence", settings.database_url("evidence"))
    runtime = open_runtime(settings, app.state.db)
    # Before anything else runs: it may refuse to start.
    app.state.store_watch = StoreWatch(runtime.store, require_worm=runtime.own.store_require_worm)
    await app.state.store_watch.start()
    await runtime.keys.start()
    await runtime.log.start()
    app.state.evidence = runtime
    async with runtime.database.transaction() as session:
        await load_shipped(session)
    app.state.jobs = SealingJobs(Sealer(runtime))
    app.state.jobs.start()
    app.state.retention = RetentionJobs(runtime)
    app.state.retention.start()
    rate = runtime.own.sweep_mb_per_second * 1e6
    app.state.sweeps = SweepJobs(SweepRunner(runtime.database, runtime.store, rate))
    app.state.sweeps.start()
    app.state.renewals = RenewalJobs(runtime, runtime.own.renew_days)
    app.state.renewals.start()


async def _shutdown(app: FastAPI) -> None:
    await app.state.renewals.stop()
    await app.state.jobs.stop()
    await app.state.retention.stop()
    await app.state.sweeps.stop()
    await app.state.store_watch.stop()
    await app.state.evidence.close()


def _store_check(app: FastAPI) -> Any:
    async def check() -> dict[str, Any]:
        runtime: Runtime = app.state.evidence
        return {**free_space(runtime), **app.state.store_watch.report()}

    return check


def _sweep_check(app: FastAPI) -> Any:
    async def check() -> dict[str, Any]:
        runtime: Runtime = app.state.evidence
        async with runtime.database.transaction() as session:
            return await summary(session)

    return check


def _log_check(app: FastAPI) -> Any:
    async def check() -> dict[str, Any]:
        runtime: Runtime = app.state.evidence
        if runtime.log.failure:
            raise RuntimeError(runtime.log.failure)
        # A log that refuses is said, not hidden behind 503: the platform must run for it to be reconciled.
        return {"size": runtime.log.size, "origin": runtime.log.origin, "refusal": runtime.log.refusal}

    return check
