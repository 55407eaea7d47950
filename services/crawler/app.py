"""The crawler as an application: takes orders and tells how they go. The looking is done by its workers."""

import asyncio
from typing import Any

from fastapi import FastAPI

from services.common.app import create_service
from services.common.clock import rfc3339
from services.common.migrate import upgrade
from services.common.settings import Settings
from services.crawler.captures import repository
from services.crawler.captures.routes import router as captures

_WORKER_SECONDS = 45


async def _startup(app: FastAPI) -> None:
    await asyncio.to_thread(upgrade, "crawler", app.state.settings.database_url("crawler"))


def create_app(settings: Settings | None = None) -> FastAPI:
    """The crawler service: migrates its database when it starts."""

    async def workers() -> dict[str, Any]:
        """How many capture workers live and how their browsers are jailed; orders are taken without any."""
        async with app.state.db.transaction() as session:
            found = await repository.living_workers(session, _WORKER_SECONDS)
            count, oldest = await repository.waiting(session)
        waiting_since = rfc3339(oldest) if oldest else None
        return {"workers": found, "waiting": count, "waiting_since": waiting_since}

    app = create_service(
        "crawler", routers=[captures], startup=_startup, settings=settings, checks={"capture": workers}
    )
    return app
