"""Casework as an application."""

import asyncio

from fastapi import FastAPI

from services.casework.cases.routes import router as cases
from services.casework.clues.routes import router as clues
from services.casework.deadlines.service import load_shipped
from services.casework.peers import Peers
from services.common.app import create_service
from services.common.migrate import upgrade
from services.common.settings import Settings


async def _startup(app: FastAPI) -> None:
    await asyncio.to_thread(upgrade, "casework", app.state.settings.database_url("casework"))
    async with app.state.db.transaction() as session:
        await load_shipped(session)
    app.state.peers = Peers(app.state.settings)


async def _shutdown(app: FastAPI) -> None:
    await app.state.peers.close()


def create_app(settings: Settings | None = None) -> FastAPI:
    """The casework service: migrates its database and loads the shipped law when it starts."""
    return create_service(
        "casework", routers=[clues, cases], startup=_startup, shutdown=_shutdown, settings=settings
    )
