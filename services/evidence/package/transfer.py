"""Sending a package while its bytes are read back from the store and hashed again."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from cryptography.hazmat.primitives.hashes import SM3, Hash

from services.evidence.package.layout import Part
from services.evidence.package.reader import BLOCK

# SM3 is the slow digest: it may be this many blocks behind what was sent.
_BEHIND = 8


class StoredBytesChangedError(RuntimeError):
    """An object in the store no longer has the digest it is named by."""


class ReadBack:
    """One pass over a package: streams it, digests the whole (SHA-256, SM3) and every object (SHA-256).

    What is streamed comes from the store's files, so an object that was damaged there is found here:
    the pass ends with StoredBytesChangedError before anything is called sealed.
    """

    def __init__(self, parts: list[Part], open_object: Callable[[str], BinaryIO]) -> None:
        self._parts, self._open = parts, open_object
        self._sha256, self._sm3 = hashlib.sha256(), Hash(SM3())
        self.bytes = 0

    def blocks(self) -> Iterator[bytes]:
        """The package from first to last byte in blocks of at most 1 MiB; for a thread, it blocks.

        SHA-256 is taken on the way, SM3 in a thread beside it.
        """
        behind: deque[Future[None]] = deque()
        with ThreadPoolExecutor(1, "sm3") as beside:
            for block in self._read():
                behind.append(beside.submit(self._sm3.update, block))
                self._sha256.update(block)
                self.bytes += len(block)
                yield block
                if len(behind) > _BEHIND:
                    behind.popleft().result()
            for left in behind:
                left.result()

    def _read(self) -> Iterator[bytes]:
        for part in self._parts:
            if part.data is not None:
                yield part.data
                continue
            single = hashlib.sha256()
            with self._open(str(part.sha256)) as file:
                while block := file.read(BLOCK):
                    yield block
                    single.update(block)
            if single.hexdigest() != part.sha256:
                raise StoredBytesChangedError(str(part.sha256))

    def digests(self) -> tuple[str, str]:
        """(SHA-256, SM3) of the package. Call once, after the last block."""
        return self._sha256.hexdigest(), self._sm3.finalize().hex()
