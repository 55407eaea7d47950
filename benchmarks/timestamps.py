"""Time stamps: what checking an answer costs, what one stamp costs this process, and a batch of a thousand.

Floors: rfc3161-client's own decoding and verifying of the same answer (one of our three checks); for the
batch, the hashes of its tree and the one stamp under it. Processor time of this process; the authority is in
another one, behind a UNIX socket.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from rfc3161_client import VerifierBuilder, decode_timestamp_response

from benchmarks.row import Row
from infra.tsa.authority import POLICY, create
from services.evidence.timestamps.answers import AnswerChecker, Question
from services.evidence.timestamps.client import StampClient
from services.evidence.timestamps.rules import PinnedAuthority, read_authorities

_RUNS, _STAMPS, _BATCH = 5, 200, 1000


def _best_ms(work: Callable[[], object], times: int = _STAMPS) -> float:
    """Milliseconds of processor time a call, the best of several rounds."""
    found = []
    for _ in range(_RUNS):
        began = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - began) / times * 1000)
    return min(found)


@contextmanager
def _authority() -> Iterator[tuple[str, list[PinnedAuthority]]]:
    home = Path(tempfile.mkdtemp(prefix="wj-bench-"))
    (home / "run").mkdir(mode=0o700)
    url = f"unix:{home}/run/tsa.sock"
    env = {**os.environ, "WANGJIAN_HOME": str(home), "WANGJIAN_TSA_URL": url}
    child = subprocess.Popen([sys.executable, "-m", "infra.tsa"], env=env)
    try:
        until = time.monotonic() + 30
        while not (home / "run" / "tsa.sock").exists():
            if time.monotonic() > until:
                raise RuntimeError("the authority did not start")
            time.sleep(0.05)
        yield url, read_authorities(home / "tsa" / "authority.json")
    finally:
        child.terminate()
        child.wait(10)
        shutil.rmtree(home, ignore_errors=True)


def _check_row() -> tuple[Row, float]:
    authority = create()[0]
    der = serialization.Encoding.DER
    certificate, ca = authority.certificate.public_bytes(der), authority.ca.public_bytes(der)
    pinned = PinnedAuthority("bench", "bench", certificate, (ca,), (POLICY,), development=True)
    checker, asked = AnswerChecker(pinned), Question.fresh(b"message")
    answer = authority.reply(asked.request)
    bare = VerifierBuilder(tsa_certificate=authority.certificate, roots=[authority.ca]).build()
    floor = _best_ms(lambda: bare.verify(decode_timestamp_response(answer), asked.digest))
    ours = _best_ms(lambda: checker.check(answer, asked))
    label = "rfc3161-client alone"
    return Row("check an authority's answer, three ways", ours, floor, "ms", label, 3.0), floor


async def _measure(client: StampClient, verify_ms: float) -> list[Row]:
    await client.stamp(b"warm")
    walls, cpus, batches = [], [], []
    messages = [b"message %d" % number for number in range(_BATCH)]
    for _ in range(_RUNS):
        began, cpu = time.perf_counter(), time.process_time()
        for number in range(_STAMPS):
            await client.stamp(b"message %d" % number)
        walls.append((time.perf_counter() - began) / _STAMPS * 1000)
        cpus.append((time.process_time() - cpu) / _STAMPS * 1000)
        cpu = time.process_time()
        await client.stamp_many(messages)
        batches.append((time.process_time() - cpu) * 1000)
    one, batch = min(cpus), min(batches)
    tree = _best_ms(lambda: [hashlib.sha256(message * 2).digest() for message in messages * 2], 3)
    note = f"{_BATCH / batch * 1000:,.0f} stamps/s; {batch * 1000 / _BATCH:.0f} µs an item"
    label = "its hashes and the one stamp"
    return [
        Row("one stamp, this process's time", one, verify_ms, "ms", "rfc3161-client alone", 4.0,
            note=f"{min(walls):.2f} ms on the clock with the authority's answer"),
        Row(f"batch of {_BATCH:,}", batch, tree + one, "ms", label, 10.0, note=note),
    ]  # fmt: skip


def rows() -> list[Row]:
    """Checking, one stamp, a batch."""
    check, verify_ms = _check_row()

    async def run(url: str, pinned: list[PinnedAuthority]) -> list[Row]:
        client = StampClient([url], pinned)
        try:
            return await _measure(client, verify_ms)
        finally:
            await client.close()

    with _authority() as (url, pinned):
        return [check, *asyncio.run(run(url, pinned))]
