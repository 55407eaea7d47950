"""The TypeScript verifier, in Node, beside the Python one and the raw double hash of the same bytes."""

import io
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import double_hash
from benchmarks.row import Row
from services.evidence.verification.verifier import read_trust, verify
from tests.evidence_samples import Signers, make_package, sample_artefacts
from tests.security.test_evidence_differential import CLI, node

_LARGE = 100_000_000
_SMALL_RUNS = 200


def _answer_seconds(lines: list[str]) -> list[float]:
    """Seconds from asking to each answer of one running Node."""
    with subprocess.Popen(
        [node(), str(CLI), "--lines"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        taken = []
        for line in lines:
            began = time.perf_counter()
            running.stdin.write(line + "\n")
            running.stdin.flush()
            answer = json.loads(running.stdout.readline())
            taken.append(time.perf_counter() - began)
            if answer["verdict"] != "VALID":
                raise RuntimeError("the sample is not valid")
        running.stdin.close()
    return taken


def _python_seconds(package: bytes, trust: bytes) -> float:
    known, times = read_trust(trust), []
    for _ in range(3):
        began = time.perf_counter()
        verify(io.BytesIO(package), known, package_sm3=False)
        times.append(time.perf_counter() - began)
    return min(times)


def rows() -> list[Row]:
    """100 MB and small packages; the digests are WebAssembly, the floor is OpenSSL's assembler."""
    signers = Signers()
    trust = json.dumps(signers.trust()).encode()
    large = make_package(signers, sample_artefacts({"evidence/page.png": os.urandom(_LARGE)}))
    small = make_package(signers)
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder) / name for name in ("large", "small", "trust")}
        for name, data in (("large", large), ("small", small), ("trust", trust)):
            places[name].write_bytes(data)

        def ask(name: str, times: int) -> list[float]:
            job = json.dumps({"package": str(places[name]), "trust": str(places["trust"])})
            return _answer_seconds([job] * times)

        ours, many = min(ask("large", 3)), ask("small", _SMALL_RUNS)
    floor, python = double_hash.seconds(large), _python_seconds(large, trust)
    each = sum(many[10:]) / len(many[10:])
    return [
        Row(
            "TypeScript verifier (Node, one thread), 100 MB",
            ours * 1000,
            floor * 1000,
            "ms",
            "SHA-256 + SM3, OpenSSL, one thread",
            6.0,
            note=f"{len(large) / ours / 1e6:.0f} MB/s; Python verifier {len(large) / python / 1e6:.0f} MB/s;"
            " the page digests the whole file in a second worker beside it",
        ),
        Row(
            "TypeScript verifier, small package",
            each * 1000,
            double_hash.seconds(small) * 1000,
            "ms",
            "SHA-256 + SM3, one thread",
            1.5,
            allowance=25,
            note=f"{1 / each:.0f} packages a second in one process",
        ),
    ]
