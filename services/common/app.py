"""The shape of a service's HTTP application: identity, problems, health, metrics, deny by default."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.common import audit, health, outbox
from services.common.database import Database
from services.common.health import Check
from services.common.identity import TokenVerifier
from services.common.problems import Problem, database_problem, problem_response
from services.common.settings import Settings, get_settings
from services.common.telemetry import RequestTelemetry, configure_logging

log = structlog.get_logger()
Hook = Callable[[FastAPI], Awaitable[None]]


class UndeclaredRouteError(RuntimeError):
    """A route without a declared permission: the application does not start."""


def create_service(
    name: str,
    *,
    routers: Iterable[APIRouter],
    startup: Hook | None = None,
    shutdown: Hook | None = None,
    settings: Settings | None = None,
    checks: dict[str, Check] | None = None,
    events: bool = True,
) -> FastAPI:
    """The application of service `name` with its own database at `app.state.db`.

    checks: further readiness checks; events: whether it takes facts from others and keeps audit rows.
    Raises UndeclaredRouteError when a route declares no permission.
    """
    settings = settings or get_settings()
    configure_logging(name)
    app = FastAPI(
        title=name, docs_url=None, redoc_url=None, openapi_url=None, lifespan=_lifespan(startup, shutdown)
    )
    app.state.settings = settings
    app.state.db = Database(settings.database_url(name), name)
    app.state.tokens = TokenVerifier(settings.keys_dir)
    app.state.checks = {"database": _database_check(app), **(checks or {})}
    app.include_router(health.router)
    if events:
        app.include_router(outbox.router)
        app.include_router(audit.router)
    for router in routers:
        app.include_router(router)
    app.add_middleware(RequestTelemetry, service=name)
    _add_handlers(app)
    check_permissions(app)
    return app


def _lifespan(startup: Hook | None, shutdown: Hook | None) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if startup:
            await startup(app)
        yield
        if shutdown:
            await shutdown(app)
        await app.state.db.close()

    return lifespan


def _database_check(app: FastAPI) -> Check:
    async def check() -> dict[str, Any]:
        await app.state.db.ping()
        return {}

    return check


def declared_permissions(route: RouteContext) -> tuple[str, ...]:
    """The permissions a route declares through its dependencies, or, for a raw ASGI route, through an
    attribute `permissions` of its endpoint; empty when it declares none."""

    def walk(dependant: Dependant) -> Iterable[str]:
        yield from getattr(dependant.call, "permissions", ())
        for inner in dependant.dependencies:
            yield from walk(inner)

    if isinstance(route.original_route, APIRoute):
        return tuple(walk(route.dependant))
    return tuple(getattr(route.endpoint or getattr(route.original_route, "app", None), "permissions", ()))


def all_routes(app: FastAPI) -> list[RouteContext]:
    """Every route of the application, with its full path."""
    return list(iter_route_contexts(app.routes))


def check_permissions(app: FastAPI) -> None:
    """Raise UndeclaredRouteError naming every route that declares no permission (ASVS 5.0 V8.1, API5)."""
    bare = [f"{sorted(r.methods or ())} {r.path}" for r in all_routes(app) if not declared_permissions(r)]
    if bare:
        raise UndeclaredRouteError(f"routes without a permission in {app.title}: {', '.join(bare)}")


def request_id_of(request: Request) -> str | None:
    """The request's id, also shown to the user on errors."""
    return getattr(request.state, "request_id", None)


def _add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(DBAPIError, _on_database)
    app.add_exception_handler(psycopg.Error, _on_database)
    app.add_exception_handler(Exception, _on_crash)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class only
    return problem_response(error, request_id_of(request))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    fields = [
        {"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
        for item in error.errors()
    ]
    return problem_response(
        Problem(
            "request.invalid",
            422,
            zh="提交的内容有误:" + "、".join(sorted({item["field"] for item in fields})),
            en="the request is not valid: " + ", ".join(sorted({item["field"] for item in fields})),
            todo_zh="请改正所列字段后重新提交",
            todo_en="correct the listed fields and send again",
            extra={"errors": fields},
        ),
        request_id_of(request),
    )


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = re.sub(r"[^a-z]+", "_", str(error.detail).lower()).strip("_") or "failed"
    zh = {404: "没有这个地址", 405: "此地址不支持该操作"}.get(error.status_code, "请求未能完成")
    problem = Problem(f"http.{code}", error.status_code, zh=zh, en=str(error.detail))
    return problem_response(problem, request_id_of(request))


async def _on_database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError | psycopg.Error)  # noqa: S101
    problem = database_problem(error)
    if problem is None:
        return await _on_crash(request, error)
    log.error("request.database", path=request.url.path, code=problem.code)
    return problem_response(problem, request_id_of(request))


async def _on_crash(request: Request, error: Exception) -> Response:
    log.error("request.crashed", path=request.url.path, exc_info=error)
    problem = Problem(
        "internal.error",
        500,
        zh="系统内部错误,本次操作未生效",
        en="an internal error; nothing was changed",
        todo_zh="请稍后重试,并将请求编号告知系统管理员",
        todo_en="try again later and give the request id to the system administrator",
    )
    return problem_response(problem, request_id_of(request))
