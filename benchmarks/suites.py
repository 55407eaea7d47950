"""Signing and checking in every crypto suite, beside what `openssl speed` does on the same core."""

import subprocess
import time
from collections.abc import Callable

from benchmarks.row import Row
from services.common.suites import ALGORITHMS, generate, verify

_SECONDS = 1.0
_MESSAGE = b"m" * 4096
_OPENSSL = {"ed25519": "ed25519", "ecdsa-p256-sha256": "ecdsap256", "sm2-sm3": "sm2"}
# What a signature needs of Python at least: the call, and for ECDSA the digest of a manifest of 4 kB.
_CALL_US = 25.0


def _each(work: Callable[[], object]) -> float:
    """Microseconds of processor time a call, over about a second, as `openssl speed` counts."""
    count, began = 0, time.process_time()
    while (took := time.process_time() - began) < _SECONDS:
        work()
        count += 1
    return took / count * 1e6


def _openssl(name: str) -> tuple[float, float]:
    """Microseconds of signing and checking. Raises CalledProcessError when OpenSSL lacks the algorithm."""
    command = ["openssl", "speed", "-mr", "-seconds", "1", name]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = next(line for line in said.splitlines() if line.startswith("+F")).split(":")
    return 1e6 / float(figures[-2]), 1e6 / float(figures[-1])


def rows() -> list[Row]:
    """Two rows an algorithm."""
    made = []
    for algorithm, suite in ALGORITHMS.items():
        signer = generate(algorithm)
        signature = signer.sign(_MESSAGE)

        def check(name: str = algorithm, der: bytes = signer.public_der, signed: bytes = signature) -> None:
            verify(name, der, signed, _MESSAGE)

        floors = _openssl(_OPENSSL[algorithm])
        for what, work, floor in (
            ("sign", lambda signer=signer: signer.sign(_MESSAGE), floors[0]),
            ("check", check, floors[1]),
        ):
            ours = _each(work)
            note = f"{1e6 / ours:,.0f}/s, OpenSSL {1e6 / floor:,.0f}/s; 4 kB message"
            label = "openssl speed (32 bytes)"
            made.append(
                Row(f"{what} {algorithm} ({suite})", ours, floor, "µs", label, 1.3, _CALL_US, note=note)
            )
    return made
