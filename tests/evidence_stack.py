"""The evidence service with its time-stamping authority and custodian, all real, in one test process.

`async with running(settings) as stack:` serves authority and custodian on UNIX sockets below settings.home
and the service itself in memory (ASGI); `stack.submit(…)` plays the capture worker.
"""

import datetime as dt
import hashlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import rfc8785
from aiohttp import web
from fastapi import FastAPI
from sqlalchemy import text

from infra.custodian.service import create_app as create_custodian
from infra.tsa.__main__ import create_app as create_tsa
from infra.tsa.authority import load_or_create
from services.common.dsse import add_signature, sign_envelope
from services.common.identity import Claims, TokenIssuer, system_claims
from services.common.ids import new_id
from services.common.keys import load_signers
from services.common.settings import Settings
from services.common.suites import Signer
from services.evidence.app import create_app
from services.evidence.log.fsck import Finding, fsck
from tests.evidence_samples import URL, artefact_entries, make_statement, rfc3339, sample_artefacts, sm3

OFFICER = Claims(
    sub="u-officer",
    name="李取证",
    org="360121-SJ",
    org_name="南昌县市场监督管理局",
    region="360121",
    roles=frozenset({"officer"}),
    permissions=frozenset({"evidence:read", "evidence:export"}),
)


def own_home(settings: Settings) -> Settings:
    """The settings with a fresh home of its own (short path: UNIX sockets lie below it)."""
    return settings.model_copy(update={"home": Path(tempfile.mkdtemp(prefix="wj-ev-"))})


@dataclass
class Peer:
    """A served aiohttp application that can be stopped and started."""

    make: Any
    socket: Path
    runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Serve."""
        self.socket.unlink(missing_ok=True)
        self.runner = web.AppRunner(self.make(), access_log=None, shutdown_timeout=1.0)
        await self.runner.setup()
        await web.UnixSite(self.runner, str(self.socket)).start()

    async def stop(self) -> None:
        """Stop serving; connections are refused."""
        if self.runner:
            await self.runner.cleanup()
            self.runner = None
        self.socket.unlink(missing_ok=True)


@dataclass
class EvidenceStack:
    """A running service, its peers, and a capture worker's view of it."""

    settings: Settings
    app: FastAPI
    client: httpx.AsyncClient
    tsa: Peer
    custodian: Peer
    workers: list[Signer]
    issuers: dict[str, TokenIssuer] = field(default_factory=dict)

    @property
    def runtime(self) -> Any:
        """The service's runtime."""
        return self.app.state.evidence

    def headers(self, claims: Claims) -> dict[str, str]:
        """A token for these claims."""
        name = claims.service or "gateway"
        if name not in self.issuers:
            self.issuers[name] = TokenIssuer(self.settings.keys_dir, name)
        return {"authorization": f"Bearer {self.issuers[name].issue(claims)}"}

    @property
    def crawler(self) -> dict[str, str]:
        """The capture service's token."""
        return self.headers(system_claims("crawler"))

    async def order(self, evidence_id: str, url: str = URL, region: str = "360121") -> dict[str, Any]:
        """Log an order."""
        body = {
            "url": url,
            "purpose": "测试采集",
            "ordered_by": {"sub": "u-officer", "name": "李取证", "org": "360121-SJ"},
            "org_code": f"{region}-SJ",
            "region_code": region,
            "ordered_at": "2026-11-21T07:59:00Z",
        }
        response = await self.client.put(f"/internal/orders/{evidence_id}", json=body, headers=self.crawler)
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def upload(self, evidence_id: str, path: str, data: bytes, **headers: str) -> httpx.Response:
        """Hand in one artefact."""
        stated = {"x-sha256": hashlib.sha256(data).hexdigest(), "x-sm3": sm3(data)}
        return await self.client.put(
            f"/internal/intakes/{evidence_id}/artefacts/{path}",
            content=data,
            headers={**self.crawler, "content-type": "application/octet-stream", **stated, **headers},
        )

    async def intake(
        self, artefacts: dict[str, bytes] | None = None, *, region: str = "360121", **changes: Any
    ) -> tuple[str, dict[str, Any]]:
        """Order and upload; gives the evidence id and the signed manifest, ready to be sealed."""
        evidence_id = new_id()
        artefacts = sample_artefacts() if artefacts is None else artefacts
        ordered = await self.order(evidence_id, region=region)
        for path, data in artefacts.items():
            response = await self.upload(evidence_id, path, data)
            assert response.status_code == 200, response.text
        return evidence_id, self.manifest(evidence_id, artefact_entries(artefacts), ordered, **changes)

    def manifest(
        self, evidence_id: str, entries: list[dict[str, Any]], ordered: dict[str, Any], **changes: Any
    ) -> dict[str, Any]:
        """The worker's signed envelope."""
        now = dt.datetime.now(dt.UTC)
        times = {
            "beacon_checkpoint": ordered["checkpoint"],
            "start": rfc3339(now - dt.timedelta(seconds=2)),
            "end": rfc3339(now),
            "clock": {"source": "none", "offset_ms": None, "state": "unsynchronised"},
        }
        statement = make_statement(
            evidence_id,
            entries,
            ordered["checkpoint"],
            [signer.keyid for signer in self.workers],
            **{"times": times, "policy_id": self.runtime.policy, **changes},
        )
        return self.signed(statement)

    @property
    def worker(self) -> Signer:
        """The capture worker's first signer."""
        return self.workers[0]

    def signed(self, statement: dict[str, Any]) -> dict[str, Any]:
        """The statement in the worker's envelope, signed in every suite."""
        envelope = sign_envelope(self.worker, rfc8785.dumps(statement))
        for signer in self.workers[1:]:
            envelope = add_signature(envelope, signer)
        return dict(envelope)

    async def seal(self, evidence_id: str, envelope: dict[str, Any]) -> list[dict[str, Any]]:
        """Seal; gives all lines."""
        response = await self.client.post(
            f"/internal/intakes/{evidence_id}/seal", json={"envelope": envelope}, headers=self.crawler
        )
        assert response.status_code == 200, response.text
        return [json.loads(line) for line in response.text.splitlines()]

    async def submit(self, artefacts: dict[str, bytes] | None = None, **options: Any) -> dict[str, Any]:
        """Order, upload and seal; gives the last line."""
        evidence_id, envelope = await self.intake(artefacts, **options)
        lines = await self.seal(evidence_id, envelope)
        return {"id": evidence_id, **lines[-1]}

    async def get(self, path: str, claims: Claims = OFFICER, **options: Any) -> httpx.Response:
        """A person's request."""
        return await self.client.get(path, headers=self.headers(claims), **options)


@asynccontextmanager
async def running(settings: Settings, *, app: FastAPI | None = None) -> AsyncIterator[EvidenceStack]:
    """Everything started; stopped at the end. settings: with a fresh evidence database and its own home."""
    settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    workers = load_signers(settings, "worker")
    tsa = Peer(lambda: create_tsa(load_or_create(settings.home / "tsa")), settings.run_dir / "tsa.sock")
    custodian = Peer(lambda: create_custodian(settings), settings.run_dir / "custodian.sock")
    await tsa.start()
    await custodian.start()
    app = app or create_app(settings)
    try:
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://ev", timeout=60) as client:
                yield EvidenceStack(settings, app, client, tsa, custodian, workers)
    finally:
        await tsa.stop()
        await custodian.stop()


async def log_findings(stack: EvidenceStack) -> list[Finding]:
    """What checking the log finds, once everything signed is published."""
    log, custodians = stack.runtime.log, stack.runtime.custodians()
    await log.flush()
    keys = [custodian.pinned.witness for custodian in custodians]
    return await fsck(stack.runtime.database, log.shards, log.root, keys)


async def as_insider(stack: EvidenceStack, *statements: str) -> None:
    """Change rows with the triggers out of the way, as a database administrator can."""
    async with stack.runtime.database.transaction() as session:
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            await session.execute(text(statement))


def remove(settings: Settings) -> None:
    """Delete the home of a finished stack."""
    shutil.rmtree(settings.home, ignore_errors=True)
