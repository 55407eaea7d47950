"""Shops with shared values in two counties, linked by the real engine, for the tests of links."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.app import create_app
from services.registry.linking.service import rebuild
from tests.records_world import Http, officer

PERMISSIONS = frozenset(
    f"registry:{verb}"
    for verb in ("read", "write", "import", "claim", "reveal", "judge", "assign", "exchange")
)
HERE, THERE, CITY, PROVINCE = (
    officer(region, name, PERMISSIONS)
    for region, name in (("360121", "李雷"), ("360702", "韩梅"), ("360100", "市"), ("360000", "省"))
)
READER = officer("360121", "只读", frozenset({"registry:read"}))


@dataclass
class Links:
    """A running registry of its own database."""

    app: FastAPI
    token_for: Callable[[Claims], dict[str, str]]

    def at(self, claims: Claims) -> Http:
        return Http(self.app, self.token_for, claims)

    @property
    def db(self) -> Any:
        return self.app.state.db

    async def shop(self, claims: Claims, name: str, **values: str) -> str:
        """Enter a shop; gives its id."""
        made = await self.at(claims).post("/presences", name=name, channel="shop", **values)
        return str(made["id"])

    async def link(self) -> None:
        """Run the engine over everything."""
        await rebuild(self.db, lambda *_: None)


@asynccontextmanager
async def running_links(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[Links]:
    """Start a registry with a fresh database and stop it."""
    app = create_app(make_settings("registry"))
    async with app.router.lifespan_context(app):
        yield Links(app, token_for)
