"""Registry and casework running for tests: the real services with real databases, and a small evidence peer.

The evidence peer is a real server with the contract's answers and grants; nothing of ours is mocked.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import text

from services.casework.app import create_app as create_casework
from services.common.database import Database
from services.common.identity import Claims, TokenVerifier, claims_of
from services.common.ids import new_id
from services.common.problems import Problem, not_found, problem_response
from services.common.scope import region_covers
from services.common.settings import Settings
from services.registry.app import create_app as create_registry
from services.registry.bootstrap import shipped_divisions
from tests.serving import serving

OFFICER = frozenset(
    {"evidence:read", "evidence:export", "registry:read", "registry:write", "case:read", "case:write"}
    | {f"clue:{verb}" for verb in ("create", "read", "assign", "sign")}
)
NAMES = {d.code: d.name for d in shipped_divisions()}


def officer(
    region: str, name: str = "李雷", permissions: frozenset[str] = OFFICER, org: str | None = None
) -> Claims:
    """An officer of a region's bureau (or of another organisation there)."""
    org = org or f"{region}-SJ"
    return Claims(
        f"u-{org}-{name}", name, org, f"{NAMES[region]}市场监督管理局", region, permissions=permissions
    )


class Http:
    """A person's or a service's way into an application in this process."""

    def __init__(self, app: FastAPI, token_for: Callable[[Claims], dict[str, str]], claims: Claims) -> None:
        self._app, self._token_for, self.claims = app, token_for, claims

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
            headers = {**self._token_for(self.claims), "x-wangjian-client-ip": self.claims.client_ip}
            return await client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.call("GET", path, params=params or None)  # {} would drop the path's own query
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, **body: Any) -> Any:
        answer = await self.call("POST", path, json=body)
        assert answer.is_success, answer.text
        return answer.json()


@dataclass
class EvidencePeer:
    """What casework needs of the evidence service, kept in memory: items by region, grants by inbox."""

    settings: Settings
    items: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    seen_from: list[str] = field(default_factory=list)
    told: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def grants(self) -> list[dict[str, Any]]:
        """Facts that opened an item to an organisation."""
        return self.told["evidence.granted"]

    def about(self, topic: str, evidence_id: str) -> list[dict[str, Any]]:
        """Facts of a topic about one item, in the order they came."""
        return [fact for fact in self.told[f"evidence.{topic}"] if fact["evidence_id"] == evidence_id]

    def add(self, region: str) -> str:
        evidence_id = new_id()
        body = {
            "id": evidence_id,
            "evidence_no": f"E-{len(self.items) + 1:04d}",
            "title": "某茶行商品页",
            "outcome": "COMPLETE",
            "package": {"sha256": "ab" * 32, "sm3": "cd" * 32, "bytes": 1},
        }
        self.items[evidence_id] = (region, body)
        return evidence_id

    def app(self) -> FastAPI:
        app = FastAPI(title="evidence peer")
        app.state.tokens = TokenVerifier(self.settings.keys_dir)

        @app.exception_handler(Problem)
        async def problem(request: Request, error: Problem) -> JSONResponse:
            return problem_response(error, None)

        @app.get("/evidence/{evidence_id}")
        async def item(evidence_id: str, request: Request) -> dict[str, Any]:
            claims = claims_of(request)
            self.seen_from.append(claims.client_ip)
            region, body = self.items.get(evidence_id, ("999999", {}))
            granted = any(
                g["evidence_id"] == evidence_id and g["org_code"] == claims.org for g in self.grants
            )
            if not granted and not region_covers(claims.region, region):
                raise not_found("证据", "evidence item")
            return body

        @app.post("/internal/inbox")
        async def inbox(request: Request) -> dict[str, str]:
            assert claims_of(request).service == "casework"
            message = await request.json()
            self.told[message["topic"]].append(message["payload"])
            return {"status": "received"}

        return app


@dataclass
class World:
    """Both services and the peer."""

    settings: Settings
    registry: FastAPI
    casework: FastAPI
    evidence: EvidencePeer
    token_for: Callable[[Claims], dict[str, str]]

    def at_registry(self, claims: Claims) -> Http:
        return Http(self.registry, self.token_for, claims)

    def at_casework(self, claims: Claims) -> Http:
        return Http(self.casework, self.token_for, claims)

    @contextmanager
    def evidence_up(self) -> Iterator[None]:
        with serving(self.evidence.app(), self.settings.run_dir / "records-evidence.sock"):
            yield


@asynccontextmanager
async def running_world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    """Start everything on sockets of its own and stop it."""
    plain = make_settings("registry", "casework")
    sockets = {f"{n}_url": f"unix:{plain.run_dir}/records-{n}.sock" for n in ("registry", "evidence")}
    settings = plain.model_copy(update=sockets)
    registry, casework = create_registry(settings), create_casework(settings)
    peer = EvidencePeer(settings)
    with ExitStack() as stack:
        # A second application on the same database answers casework's calls; tests talk to the first one.
        stack.enter_context(serving(create_registry(settings), settings.run_dir / "records-registry.sock"))
        stack.enter_context(serving(peer.app(), settings.run_dir / "records-evidence.sock"))
        async with registry.router.lifespan_context(registry), casework.router.lifespan_context(casework):
            yield World(settings, registry, casework, peer, token_for)


_SEEN: ContextVar[list[str] | None] = ContextVar("statements seen", default=None)


@contextmanager
def counted() -> Iterator[list[str]]:
    """The SQL statements sent by what the block calls, no background tasks, BEGIN, COMMIT or pings."""
    seen: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def noted(cursor: Any, query: Any, *rest: Any, **more: Any) -> Any:
        mine = _SEEN.get()
        if mine is not None and not str(query).startswith(("BEGIN", "COMMIT", ";")):
            mine.append(str(query))
        return await execute(cursor, query, *rest, **more)

    marked = _SEEN.set(seen)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(psycopg.AsyncCursor, "execute", noted)
            yield seen
    finally:
        _SEEN.reset(marked)


async def sql(database: Database, statement: str, **values: Any) -> list[Any]:
    """Rows of a query of the test's own."""
    async with database.transaction() as session:
        result = await session.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []
