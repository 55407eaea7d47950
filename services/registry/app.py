"""The registry as an application."""

import asyncio

from fastapi import FastAPI

from services.common.app import create_service
from services.common.migrate import upgrade
from services.common.personal_keys import REFRESH_SECONDS, personal_data, refresh
from services.common.recurring import Recurring
from services.common.settings import Settings
from services.registry.bootstrap import load_divisions
from services.registry.claims.routes import router as claims
from services.registry.claims.tasks import ClaimJobs
from services.registry.imports.routes import router as imports
from services.registry.inspections.routes import router as inspections
from services.registry.organisations.routes import router as organisations
from services.registry.presences.routes import router as presences
from services.registry.regions.routes import router as regions
from services.registry.subjects.routes import router as subjects
from services.registry.tags.routes import router as tags


async def _startup(app: FastAPI) -> None:
    await asyncio.to_thread(upgrade, "registry", app.state.settings.database_url("registry"))
    await load_divisions(app.state.db)
    app.state.personal = await personal_data(app.state.db)
    app.state.keys = Recurring(
        "personal.keys",
        lambda: refresh(app.state.db, app.state.personal),
        lambda: REFRESH_SECONDS,
        REFRESH_SECONDS,
    )
    app.state.keys.start()
    app.state.claim_jobs = ClaimJobs(app.state.db, app.state.personal)
    app.state.claim_jobs.start()


async def _shutdown(app: FastAPI) -> None:
    await app.state.claim_jobs.stop()
    await app.state.keys.stop()


def create_app(settings: Settings | None = None) -> FastAPI:
    """The registry service: migrates its database and loads the shipped divisions when it starts."""
    return create_service(
        "registry",
        routers=[regions, organisations, subjects, presences, imports, claims, tags, inspections],
        startup=_startup,
        shutdown=_shutdown,
        settings=settings,
    )
