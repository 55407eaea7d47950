"""Verifying a package offline against the raw double hash of the same bytes; start-up apart."""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import double_hash
from benchmarks.row import Row
from services.evidence.verification.verifier import read_trust, verify
from tests.evidence_samples import Signers, make_package, sample_artefacts

_LARGE = 100_000_000
_SMALL_RUNS = 200


def _best(work: Callable[[], object], runs: int = 3) -> float:
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def _processor_time(work: Callable[[], object], runs: int = 3) -> float:
    """The least processor time of all threads: what one core needs, whoever else uses the machine."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def rows() -> list[Row]:
    """100 MB package, many small packages, and the command's start-up."""
    signers = Signers()
    trust = read_trust(json.dumps(signers.trust()).encode())
    large = make_package(signers, sample_artefacts({"evidence/page.png": os.urandom(_LARGE)}))
    # Each is another one: what the verifier remembers of a package it saw before does not count here.
    small = [make_package(signers) for _ in range(_SMALL_RUNS)]
    with tempfile.TemporaryDirectory() as folder:
        file, trust_file = Path(folder) / "p.wacz", Path(folder) / "trust.json"
        file.write_bytes(large)
        trust_file.write_text(json.dumps(signers.trust()))

        def check(*, package_sm3: bool) -> None:
            with file.open("rb") as opened:
                if verify(opened, trust, package_sm3=package_sm3)["verdict"] != "VALID":
                    raise RuntimeError("the sample is not valid")

        ours, whole_sm3 = _best(lambda: check(package_sm3=False)), _best(lambda: check(package_sm3=True))
        floor, parallel = double_hash.seconds(large), double_hash.seconds_parallel(large)
        file.write_bytes(small[0])
        command = [sys.executable, "-c", "from wangjian.cli import main; main()", "verify"]
        arguments = [*command, str(file), "--trust", str(trust_file), "--json"]
        whole = _best(lambda: subprocess.run(arguments, check=True, capture_output=True))
        bare = _best(lambda: subprocess.run([sys.executable, "-c", "import cryptography.x509"], check=True))
    each = _processor_time(lambda: [verify(io.BytesIO(package), trust) for package in small])
    each /= _SMALL_RUNS
    return [
        Row(
            "verify a 100 MB package",
            ours * 1000,
            floor * 1000,
            "ms",
            "SHA-256 + SM3, one thread",
            1 / 0.9,
            note="SHA-256 of the file and of each artefact, SM3 of each artefact, CRC-32;"
            f" SHA-256 beside SM3, two threads alone: {parallel * 1000:.0f} ms",
        ),
        Row(
            "the same with the SM3 of the whole file (`--sm3`)",
            whole_sm3 * 1000,
            floor * 1000,
            "ms",
            "SHA-256 + SM3, one thread",
            1.5,
            note="four digests; no check rests on the fourth",
        ),
        Row(
            "verify a small package (15 kB)",
            each * 1000,
            double_hash.seconds(small[0]) * 1000,
            "ms",
            "SHA-256 + SM3, one thread",
            1.5,
            allowance=1000 / 150,
            note=f"{1 / each:.0f} packages a second and core (processor time)",
        ),
        Row(
            "`wangjian verify`, start to end of a small package",
            whole * 1000,
            bare * 1000,
            "ms",
            "Python importing cryptography",
            1.5,
            allowance=150,
        ),
    ]
