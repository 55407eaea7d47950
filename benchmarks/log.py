"""The log: entries from the queue to a cosigned checkpoint, and its check.

PostgreSQL and the custodian are processes of their own. Floors: the same entries hashed into a tree and
written to one file with one sync a batch; the same tree hashed once.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.row import Row
from infra.embedded.postgres import EmbeddedPostgres
from infra.tsa.authority import load_or_create
from services.common.database import Database
from services.common.ids import new_id
from services.common.keys import load_signers
from services.common.migrate import upgrade
from services.common.settings import Settings
from services.evidence.log import repository
from services.evidence.log.fsck import fsck
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.runtime import Runtime, open_runtime
from services.evidence.verification.trust import dump_trust

_ENTRIES = 5_000
_WRITERS = 4
_TOGETHER = 100
_BATCH = 1024


@contextlib.asynccontextmanager
async def _platform(folder: Path) -> AsyncIterator[Runtime]:
    settings = Settings(home=folder)
    server = EmbeddedPostgres(settings.home, settings.run_dir)
    await asyncio.to_thread(server.start)
    server.ensure_database("evidence")
    settings = settings.model_copy(update={"database_url_evidence": server.url("evidence")})
    await asyncio.to_thread(upgrade, "evidence", settings.database_url("evidence"))
    for role in ("worker", "sealing"):
        load_signers(settings, role)
    load_or_create(settings.home / "tsa")
    environment = {**os.environ, "WANGJIAN_HOME": str(folder)}
    command = [sys.executable, "-m", "infra.custodian"]
    custodian = await asyncio.to_thread(subprocess.Popen, command, env=environment)
    database = Database(settings.database_url("evidence"), "evidence")
    try:
        await asyncio.to_thread(_wait_for, settings.run_dir / "custodian.sock")
        runtime = open_runtime(settings, database)
        (folder / "custodian" / "trust.json").write_bytes(dump_trust(runtime.trust()))
        await runtime.log.start()
        yield runtime
        await runtime.close()
    finally:
        custodian.terminate()
        await asyncio.to_thread(custodian.wait, 20)
        await database.close()
        await asyncio.to_thread(server.stop)


def _wait_for(socket: Path) -> None:
    while not socket.exists():
        time.sleep(0.1)


def _entry(number: int) -> bytes:
    """As long as a seal's entry."""
    return f'{{"kind":"seal","evidence_id":"{new_id()}","n":{number},'.encode().ljust(420, b"x")


async def _write(runtime: Runtime, entries: list[bytes]) -> float:
    """Seconds from the first entry queued to a cosigned checkpoint over the last, and its tiles."""
    began = time.perf_counter()

    async def writer(start: int) -> int:
        last = 0
        for first in range(start, len(entries), _WRITERS * _TOGETHER):
            chosen = {f"bench:{n}": entries[n] for n in range(first, min(first + _TOGETHER, len(entries)))}
            async with runtime.database.transaction() as session:
                await repository.enqueue(session, chosen)
            last = await runtime.log.wait_for(list(chosen)[-1])
        return last

    indexes = await asyncio.gather(*(writer(number * _TOGETHER) for number in range(_WRITERS)))
    await runtime.log.cosigned_over(max(indexes), runtime.custodians())
    await runtime.log.flush()
    return time.perf_counter() - began


async def _one(runtime: Runtime, number: int) -> tuple[float, float]:
    """Milliseconds a single entry waits for its leaf, and then for its cosigned checkpoint."""
    async with runtime.database.transaction() as session:
        await repository.enqueue(session, {f"one:{number}": _entry(number)})
    began = time.perf_counter()
    index = await runtime.log.wait_for(f"one:{number}")
    middle = time.perf_counter()
    await runtime.log.cosigned_over(index, runtime.custodians())
    return (middle - began) * 1000, (time.perf_counter() - middle) * 1000


def _floor(entries: list[bytes], folder: Path) -> float:
    began, tree = time.perf_counter(), MerkleTree()
    with (folder / "floor").open("wb") as file:
        for start in range(0, len(entries), _BATCH):
            for entry in entries[start : start + _BATCH]:
                tree.append(leaf_hash(entry))
                file.write(entry)
            tree.root()
            file.flush()
            os.fsync(file.fileno())
    return time.perf_counter() - began


def _hashed(entries: list[bytes]) -> float:
    began, tree = time.perf_counter(), MerkleTree()
    for entry in entries:
        tree.append(leaf_hash(entry))
    tree.root()
    return time.perf_counter() - began


async def _measure(folder: Path) -> list[Row]:
    entries = [_entry(number) for number in range(_ENTRIES)]
    async with _platform(folder) as runtime:
        await _one(runtime, 0)
        took, floor = await _write(runtime, entries), _floor(entries, folder)
        singles = sorted([await _one(runtime, number) for number in range(1, 31)])
        leaf, cosigned = sorted(a for a, _ in singles)[15], sorted(b for _, b in singles)[15]
        await runtime.log.flush()
        witnesses = [custodian.pinned.witness for custodian in runtime.custodians()]
        began = time.perf_counter()
        findings = await fsck(runtime.database, runtime.log.shards, runtime.log.root, witnesses)
        checked = time.perf_counter() - began
        if findings:
            raise RuntimeError(str(findings[:3]))
    per, note = (
        1000 / _ENTRIES * 1000,
        f"{_ENTRIES / took:,.0f} entries/s; {_WRITERS} writers, {_TOGETHER} in a transaction",
    )
    single = f"median of 30; leaf {leaf:.1f} ms, cosigned {cosigned:.1f} ms"
    return [
        Row("log 1,000 entries", took * per, floor * per, "ms", "hash, write, sync", 1, 1000, note),
        Row("log one entry", leaf + cosigned, 0, "ms", "nothing", 1, 15, single),
        Row(
            "log check 10,000 leaves",
            checked * 10_000 / _ENTRIES * 1000,
            _hashed(entries) * 10_000 / _ENTRIES * 1000,
            "ms",
            "hash the tree once",
            1,
            5000,
            f"{_ENTRIES / checked:,.0f} leaves/s with checkpoints, cosignatures and tiles",
        ),
    ]


def rows() -> list[Row]:
    """The rows of the log."""
    with tempfile.TemporaryDirectory(prefix="wj-bl-") as folder:
        return asyncio.run(_measure(Path(folder)))
