"""The gateway as an ASGI application: the door around the gateway's own routes."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from fastapi import FastAPI

from gateway.accounts.organisations import Organisations
from gateway.accounts.passwords import Passwords
from gateway.accounts.routes import router as accounts
from gateway.accounts.service import Accounts
from gateway.audit.routes import router as audit
from gateway.audit.service import AuditReader
from gateway.console.files import Console
from gateway.console.reports import router as reports
from gateway.openapi.routes import router as openapi
from gateway.routing.door import Door
from gateway.routing.limits import RateLimits
from gateway.routing.proxy import Proxy
from gateway.sessions.routes import router as sessions
from gateway.sessions.rules import Limits
from gateway.sessions.service import SignIn
from gateway.sessions.visits import Clock, Visits
from gateway.settings import DoorSettings, get_door_settings
from gateway.system.routes import router as system
from gateway.system.service import SystemHealth, inspect_workers
from gateway.verification.files import VerificationPage
from services.common.app import create_service
from services.common.clock import utc_now
from services.common.identity import TokenIssuer
from services.common.migrate import upgrade
from services.common.settings import Settings, get_settings


def create_inner(settings: Settings | None = None) -> FastAPI:
    """The gateway's own routes, without the door and without anything that needs a database."""
    return create_service(
        "gateway",
        routers=[sessions, accounts, audit, system, openapi, reports],
        startup=_start,
        shutdown=_stop,
        settings=settings,
    )


async def _start(app: FastAPI) -> None:
    settings: Settings = app.state.settings
    await asyncio.to_thread(upgrade, "gateway", settings.database_url("gateway"))
    # The command line works on every installation, with or without demo staff.
    await app.state.sign_in.make_operator_token(settings.home / "operator.token")


async def _stop(app: FastAPI) -> None:
    await app.state.proxy.close()


def create_app(
    settings: Settings | None = None,
    door_settings: DoorSettings | None = None,
    *,
    clock: Clock = utc_now,
    limits_prefix: str = "wj-limits",
    service_url: Callable[[str], str] | None = None,
    passwords: Passwords | None = None,
) -> Door:
    """The whole gateway; the named arguments let tests move time, counters, services and hashing cost."""
    settings, given = settings or get_settings(), door_settings or get_door_settings()
    inner = create_inner(settings)
    state, database = inner.state, inner.state.db
    issuer, passwords = TokenIssuer(settings.keys_dir, "gateway"), passwords or Passwords()
    limits = Limits(
        timedelta(minutes=given.session_idle_minutes), timedelta(hours=given.session_absolute_hours)
    )
    state.clock = clock
    state.visits = Visits(database, issuer, limits, clock)
    state.sign_in = SignIn(database, state.visits, passwords, clock)
    state.accounts = Accounts(database, state.visits, passwords, clock)
    state.organisations = Organisations(settings)
    state.proxy = Proxy(service_url or settings.service_url)
    state.audit = AuditReader(database, state.proxy)
    state.system = SystemHealth(settings, database, state.proxy, inspect_workers)
    return Door(
        inner,
        visits=state.visits,
        proxy=state.proxy,
        limits=RateLimits(settings.redis_location, limits_prefix),
        console=Console(given.console_dir),
        verification=VerificationPage(given.verification_dir),
        settings=given,
    )
