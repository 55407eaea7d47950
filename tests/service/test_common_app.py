"""The application shape: deny by default, problems, health that tells the truth."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from psycopg.errors import DiskFull, ReadOnlySqlTransaction, UniqueViolation
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from services.common.app import UndeclaredRouteError, create_service
from services.common.audit import record
from services.common.database import Reading, Session, run
from services.common.identity import Claims, public, require
from services.common.problems import database_problem
from services.common.settings import Settings

OFFICER = Claims("u1", "李雷", "360121-SJ", "南昌县市监局", "360121", permissions=frozenset({"case:read"}))
AUDITOR = Claims("u2", "韩梅", "360000-SJ", "省局", "360000", permissions=frozenset({"audit:read"}))


def client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


def sample_router() -> APIRouter:
    router = APIRouter()

    @router.get("/things")
    async def things(claims: Claims = Depends(require("case:read"))) -> dict[str, str]:
        return {"name": claims.name}

    @router.post("/things/{number}")
    async def change(
        number: int, session: Session, claims: Claims = Depends(require("case:read"))
    ) -> dict[str, int]:
        await record(session, claims, event="thing.changed", object_type="thing", object_id=str(number))
        return {"inverse": 100 // number}

    @router.get("/things/{number}")
    async def ask(number: int, session: Reading, claims: Claims = Depends(require("case:read"))) -> list[int]:
        change = "INSERT INTO audit DEFAULT VALUES RETURNING 1" if number == 0 else "SELECT %(number)s::int"
        ((found,),) = await run(session, change, {"number": number})
        return [found]

    return router


@pytest.fixture(scope="module")
def app(make_settings: Callable[..., Settings]) -> FastAPI:
    return create_service("casework", routers=[sample_router()], settings=make_settings("casework"))


def test_a_route_without_a_permission_stops_the_start(settings: Settings) -> None:
    bare = APIRouter()
    bare.add_api_route("/open", lambda: {})
    with pytest.raises(UndeclaredRouteError, match="/open"):
        create_service("casework", routers=[bare], settings=settings)
    declared = APIRouter(dependencies=[Depends(public("test"))])
    declared.add_api_route("/open", lambda: {})
    assert create_service("casework", routers=[declared], settings=settings).title == "casework"


async def test_callers_need_a_token_and_the_permission(
    app: FastAPI, token_for: Callable[..., dict[str, str]]
) -> None:
    async with client(app) as http:
        assert (await http.get("/things")).status_code == 401
        refused = await http.get("/things", headers=token_for(AUDITOR))
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
        body = refused.json()
        assert body["code"] == "identity.forbidden"
        assert body["request_id"] == refused.headers["x-request-id"]
        assert "case:read" in body["todo_en"]
        assert (await http.get("/things", headers=token_for(OFFICER))).json() == {"name": "李雷"}


async def test_a_crash_is_a_problem_and_leaves_nothing(
    app: FastAPI, token_for: Callable[..., dict[str, str]]
) -> None:
    async with client(app) as http:
        crashed = await http.post("/things/0", headers=token_for(OFFICER))
        assert (crashed.status_code, crashed.json()["code"]) == (500, "internal.error")
        assert "ZeroDivision" not in crashed.text
        assert (await http.post("/things/4", headers=token_for(OFFICER))).json() == {"inverse": 25}
        rows = (await http.get("/audit", headers=token_for(AUDITOR))).json()["items"]
        assert [row["object_id"] for row in rows if row["event"] == "thing.changed"] == ["4"]


async def test_bad_input_names_the_field(app: FastAPI, token_for: Callable[..., dict[str, str]]) -> None:
    async with client(app) as http:
        answer = await http.post("/things/x", headers=token_for(OFFICER))
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "path.number"
        assert (await http.get("/nothing")).json()["code"] == "http.not_found"


async def test_health_tells_when_the_database_is_gone(app: FastAPI, settings: Settings) -> None:
    async with client(app) as http:
        assert (await http.get("/health/ready")).status_code == 200
    missing = settings.model_copy(
        update={"database_url_casework": "postgresql+psycopg://nobody@/no?host=/nowhere"}
    )
    async with client(create_service("casework", routers=[], settings=missing)) as http:
        answer = await http.get("/health/ready")
        assert (answer.status_code, answer.json()["checks"]["database"]["ok"]) == (503, False)
        assert (await http.get("/health/live")).status_code == 200


async def test_the_commit_comes_before_the_answer(
    app: FastAPI, token_for: Callable[..., dict[str, str]]
) -> None:
    async with client(app) as http, app.state.db.engine.connect() as watcher:
        await http.post("/things/7", headers=token_for(OFFICER))
        seen = await watcher.execute(text("SELECT count(*) FROM audit WHERE object_id = '7'"))
        assert seen.scalar_one() == 1


async def test_a_database_that_is_away_is_said(
    settings: Settings, token_for: Callable[..., dict[str, str]]
) -> None:
    missing = settings.model_copy(
        update={"database_url_casework": "postgresql+psycopg://nobody@/no?host=/nowhere"}
    )
    async with client(create_service("casework", routers=[sample_router()], settings=missing)) as http:
        for method in ("POST", "GET"):  # over SQLAlchemy, and over the driver itself
            answer = await http.request(method, "/things/7", headers=token_for(OFFICER))
            assert (answer.status_code, answer.json()["code"]) == (503, "storage.unavailable")


async def test_a_route_that_only_asks_changes_nothing(
    app: FastAPI, token_for: Callable[..., dict[str, str]]
) -> None:
    async with client(app) as http:
        assert (await http.get("/things/5", headers=token_for(OFFICER))).json() == [5]
        refused = await http.get("/things/0", headers=token_for(OFFICER))
        assert (refused.status_code, refused.json()["code"]) == (500, "internal.error")
        assert (await http.get("/things/6", headers=token_for(OFFICER))).json() == [6]
    async with app.state.db.reading() as session:
        with pytest.raises(ReadOnlySqlTransaction):
            await run(session, "CREATE TABLE changed (n int)", {})


def test_a_full_disk_has_its_own_problem() -> None:
    full = DiskFull("could not extend file")
    assert database_problem(OperationalError("INSERT", {}, full)).status == 507
    assert database_problem(IntegrityError("INSERT", {}, UniqueViolation("twice"))) is None


async def test_a_log_that_cannot_be_written_fails_no_request(
    app: FastAPI, token_for: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("w") as full:  # noqa: ASYNC230 - a device, never slow
        monkeypatch.setattr(sys, "stdout", full)
        async with client(app) as http:
            assert (await http.get("/things", headers=token_for(OFFICER))).status_code == 200
            # Negative control: the file really refuses what is written to it.
            with pytest.raises(OSError, match="space"):
                print("x", file=full, flush=True)
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
