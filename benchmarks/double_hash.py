"""The floor of sealing and verifying: SHA-256 and SM3 over the same bytes, and nothing else."""

import hashlib
import threading
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.hashes import SM3, Hash

_BLOCK = 1 << 20


def seconds(data: bytes, runs: int = 3) -> float:
    """One thread, both digests block by block: what any keeper of both digests pays. The best of the runs."""
    return min(_timed(lambda: _both(data)) for _ in range(runs))


def seconds_parallel(data: bytes) -> float:
    """Two threads, one a digest. Best of three."""
    return min(_timed(lambda: _parallel(data)) for _ in range(3))


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _both(data: bytes) -> None:
    sha256, sm3, view = hashlib.sha256(), Hash(SM3()), memoryview(data)
    for at in range(0, len(view), _BLOCK):
        sha256.update(view[at : at + _BLOCK])
        sm3.update(view[at : at + _BLOCK])


def _parallel(data: bytes) -> None:
    sm3 = Hash(SM3())
    other = threading.Thread(target=sm3.update, args=(data,))
    other.start()
    hashlib.sha256(data)
    other.join()
