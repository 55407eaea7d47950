"""Two hundred seals with a fault in their middle: nothing is called sealed without its proofs, nothing is
lost or doubled, and what waits goes on by itself once the fault is over."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.evidence.items import jobs
from services.evidence.objects.disk import DiskStore
from services.evidence.verification.verifier import read_trust, verify
from tests.evidence_stack import EvidenceStack, log_findings, own_home, remove, running

pytestmark = pytest.mark.slow

SEALS = 200
_AT_ONCE = 16
Fault = Callable[[EvidenceStack], "contextlib.AbstractAsyncContextManager[None]"]


@asynccontextmanager
async def _refusing(stack: EvidenceStack, peer: str) -> AsyncIterator[None]:
    """Nobody listens."""
    await getattr(stack, peer).stop()
    yield
    await getattr(stack, peer).start()


@asynccontextmanager
async def _hanging(stack: EvidenceStack, peer: str) -> AsyncIterator[None]:
    """Connections are taken and never answered."""
    own, given_up = getattr(stack, peer), asyncio.Event()
    await own.stop()

    async def silence(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await given_up.wait()
        writer.close()

    server = await asyncio.start_unix_server(silence, path=str(own.socket))
    yield
    given_up.set()
    server.close()
    await own.start()


@asynccontextmanager
async def _store_broken(stack: EvidenceStack) -> AsyncIterator[None]:
    """Every write to the store fails."""
    kept = DiskStore._name

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    DiskStore._name = broken  # type: ignore[method-assign]
    yield
    DiskStore._name = kept  # type: ignore[method-assign]


@asynccontextmanager
async def _database_gone(stack: EvidenceStack) -> AsyncIterator[None]:
    """Every connection is cut and no new one is let in."""
    url = stack.runtime.database.engine.url
    admin = create_async_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS false'))
        cut = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
        await connection.execute(cut, {"name": url.database})
        yield
        await connection.execute(text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS true'))
    await admin.dispose()


FAULTS: dict[str, Fault] = {
    "authority refuses": lambda stack: _refusing(stack, "tsa"),
    "authority hangs": lambda stack: _hanging(stack, "tsa"),
    "custodian refuses": lambda stack: _refusing(stack, "custodian"),
    "custodian hangs": lambda stack: _hanging(stack, "custodian"),
    "store fails": _store_broken,
    "database gone": _database_gone,
}


@pytest.fixture
async def stack(make_settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EvidenceStack]:
    monkeypatch.setattr(jobs, "EVERY_SECONDS", 0.5)
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


async def _rows(stack: EvidenceStack, sql: str) -> list[Any]:
    async with stack.runtime.database.transaction() as session:
        return list(await session.execute(text(sql)))


async def _seal(stack: EvidenceStack, intake: tuple[str, dict[str, Any]], limit: asyncio.Semaphore) -> None:
    async with limit:
        with contextlib.suppress(web.HTTPException, OSError):
            lines = await stack.seal(*intake)
            assert lines[-1]["op"] in ("digested", "error"), lines[-1]


async def _eventually(check: Callable[[], Awaitable[bool]], within: float) -> None:
    async with asyncio.timeout(within):
        while not await check():  # noqa: ASYNC110 - what is waited for happens in the database
            await asyncio.sleep(0.5)


async def _check_all(stack: EvidenceStack, ids: list[str]) -> None:
    trust = read_trust((await stack.client.get("/trust")).content)
    numbers = set()
    for evidence_id in ids:
        package = await stack.get(f"/evidence/{evidence_id}/package", params={"reason": "t"})
        report = verify(io.BytesIO(package.content), trust, package_sm3=False)
        assert report["verdict"] == "VALID", (evidence_id, [c for c in report["checks"] if not c["ok"]])
        numbers.add(report["evidence_no"])
    assert sorted(number[-8:] for number in numbers) == [f"{n:08d}" for n in range(1, len(ids) + 1)]
    assert (await _rows(stack, "SELECT count(*) FROM log_entries WHERE ref LIKE 'seal:%'"))[0][0] == len(ids)
    assert await log_findings(stack) == []


_UNPROVEN = (
    "SELECT i.id FROM evidence_items i LEFT JOIN log_entries l ON l.ref = 'seal:' || i.id"
    " WHERE stage = 'sealed' AND (l.index IS NULL"
    " OR NOT EXISTS (SELECT 1 FROM stamps s WHERE s.evidence_id = i.id)"
    " OR NOT EXISTS (SELECT 1 FROM receipts r WHERE r.evidence_id = i.id) OR proof IS NULL)"
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", FAULTS)
async def test_a_fault_in_the_middle_of_two_hundred_seals(stack: EvidenceStack, kind: str) -> None:
    intakes = [await stack.intake() for _ in range(SEALS)]
    limit = asyncio.Semaphore(_AT_ONCE)
    sealing = [asyncio.create_task(_seal(stack, intake, limit)) for intake in intakes[: SEALS // 2]]
    await _eventually(lambda: _sealed(stack, SEALS // 8), 120)
    async with FAULTS[kind](stack):
        more = [asyncio.create_task(_seal(stack, intake, limit)) for intake in intakes[SEALS // 2 :]]
        await asyncio.sleep(3)
    await asyncio.gather(*sealing, *more)
    assert await _rows(stack, _UNPROVEN) == []
    begun = {row[0] for row in await _rows(stack, "SELECT id FROM evidence_items")}
    for intake in intakes:
        if intake[0] not in begun:
            # Its first transaction failed: the worker was told so and asks again.
            await _seal(stack, intake, limit)
    await _eventually(lambda: _sealed(stack, SEALS), 300)
    await _check_all(stack, [evidence_id for evidence_id, _ in intakes])


async def _sealed(stack: EvidenceStack, count: int) -> bool:
    rows = await _rows(stack, "SELECT count(*) FROM evidence_items WHERE stage = 'sealed'")
    return int(rows[0][0]) >= count


@pytest.mark.timeout(900)
async def test_a_thousand_waiting_items_drain_by_themselves(stack: EvidenceStack) -> None:
    intakes = [await stack.intake() for _ in range(1000)]
    limit = asyncio.Semaphore(_AT_ONCE)
    async with _refusing(stack, "tsa"):
        await asyncio.gather(*(_seal(stack, intake, limit) for intake in intakes))
        assert not await _sealed(stack, 1)
    await _eventually(lambda: _sealed(stack, 1000), 300)
    assert await _rows(stack, _UNPROVEN) == []
    batched = await _rows(stack, "SELECT count(*) FROM stamps WHERE path IS NOT NULL")
    assert batched[0][0] > 900, "one request to an authority stamps all that wait"
    assert await log_findings(stack) == []
