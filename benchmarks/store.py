"""Putting an object into the store and reading it back, against hashing and writing the same bytes."""

import asyncio
import hashlib
import io
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from benchmarks import double_hash
from benchmarks.row import Row
from services.evidence.objects.disk import DiskStore
from services.evidence.objects.store import ObjectStore

_SIZE = 100_000_000
_CHUNK = 65_536
_BLOCK = 1 << 20
_RUNS = 3


def rows() -> list[Row]:
    """The disk; the S3 store too where an S3 server can be started."""
    data = random.Random(1).randbytes(_SIZE)
    with tempfile.TemporaryDirectory(prefix="wj-bench-") as folder:
        found = [_disk(data, Path(folder))]
        return found + _s3(data, Path(folder))


def _best(work: Callable[[int], None]) -> float:
    times = []
    for run in range(_RUNS):
        began = time.perf_counter()
        work(run)
        times.append(time.perf_counter() - began)
    return min(times)


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), _CHUNK):
        yield data[at : at + _CHUNK]


def _through(store: ObjectStore, data: bytes) -> None:
    """As an artefact comes: streamed, hashed twice, kept, then read back and hashed, as sealing does."""

    async def go() -> str:
        with await store.receive(_chunks(data), len(data)) as arrival:
            await arrival.keep()
        return arrival.stored.sha256

    sha256, digest = asyncio.run(go()), hashlib.sha256()
    with store.open(sha256) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    assert digest.hexdigest() == sha256


def _fresh(data: bytes, run: int) -> bytes:
    """The same amount of other bytes: an object that is there already is not written again."""
    return run.to_bytes(4, "big") + data[4:]


def _disk(data: bytes, folder: Path) -> Row:
    store = DiskStore(folder / "objects")
    ours = _best(lambda run: _through(store, _fresh(data, run)))

    def raw(run: int) -> None:
        path = folder / f"raw-{run}"
        with path.open("wb", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")

    floor = double_hash.seconds_parallel(data) + _best(raw)
    return _row("disk", ours, floor, "both digests (2 threads), write + fsync, read + SHA-256", 1.3)


def _s3(data: bytes, folder: Path) -> list[Row]:
    from infra.radosgw import ACCESS_KEY, SECRET_KEY, ObjectGateway, missing
    from services.evidence.objects.s3 import S3Store
    from services.evidence.objects.s3_config import S3Config

    if missing():
        return []
    server = ObjectGateway()
    server.start()
    try:
        config = S3Config(server.endpoint, "benchmark", ACCESS_KEY, SECRET_KEY, tls=False, lock_days=1)
        store = S3Store(config, folder / "spool")
        store.prepare()
        ours = _best(lambda run: _through(store, _fresh(data, run)))

        def raw(run: int) -> None:
            store.client.put_object("benchmark", f"raw-{run}", io.BytesIO(data), len(data), part_size=8 << 20)
            response = store.client.get_object("benchmark", f"raw-{run}")
            digest = hashlib.sha256()
            for block in response.stream(_BLOCK):
                digest.update(block)

        floor = double_hash.seconds_parallel(data) + _best(raw)
        label = "both digests (2 threads), the same client's put and get + SHA-256"
        return [_row("S3 (Ceph in memory, loopback)", ours, floor, label, 1.5)]
    finally:
        server.stop()


def _row(kind: str, ours: float, floor: float, label: str, target: float) -> Row:
    mb = _SIZE / 1e6
    return Row(
        name=f"store, {kind}: put 100 MB and read it back",
        ours=ours,
        floor=floor,
        unit="s",
        floor_label=label,
        target_ratio=target,
        note=f"{mb / ours:.0f} MB/s, floor {mb / floor:.0f} MB/s",
    )
