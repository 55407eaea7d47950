"""Sending a package while its bytes are read back from the store and hashed again."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO

from cryptography.hazmat.primitives.hashes import SM3, Hash

from services.evidence.package.layout import Part
from services.evidence.package.reader import BLOCK

_WORTH_A_THREAD = BLOCK // 8


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

    async def blocks(self) -> AsyncIterator[bytes]:
        """The package from first to last byte in blocks of at most 1 MiB."""
        for part in self._parts:
            if part.data is not None:
                await self._digest(part.data, None)
                yield part.data
                continue
            single = hashlib.sha256()
            with self._open(str(part.sha256)) as file:
                while block := file.read(BLOCK):
                    hashing = asyncio.ensure_future(self._digest(block, single))
                    yield block
                    await hashing
            if single.hexdigest() != part.sha256:
                raise StoredBytesChangedError(str(part.sha256))

    async def _digest(self, block: bytes, single: "hashlib._Hash | None") -> None:
        self.bytes += len(block)

        def fast() -> None:
            self._sha256.update(block)
            if single is not None:
                single.update(block)

        if len(block) < _WORTH_A_THREAD:
            self._sm3.update(block)
            fast()
        else:
            await asyncio.gather(asyncio.to_thread(self._sm3.update, block), asyncio.to_thread(fast))

    def digests(self) -> tuple[str, str]:
        """(SHA-256, SM3) of the package. Call once, after the last block."""
        return self._sha256.hexdigest(), self._sm3.finalize().hex()
