"""A package on its way out before it is known how it ends, read back from the store and hashed again."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from typing import BinaryIO

from cryptography.hazmat.primitives.hashes import SM3, Hash

from services.evidence.package.layout import Part, rest, total_bytes
from services.evidence.package.reader import BLOCK

# Nothing, where more may be long in coming: what was held back until now goes out first.
_PAUSE = Part(0, b"")
# Below this size pieces are joined: each costs the receiver as much as hashing this many bytes.
_JOINED = 1 << 16


class StoredBytesChangedError(RuntimeError):
    """An object in the store no longer has the digest it is named by."""


class AbandonedError(RuntimeError):
    """The package was given up before it was complete."""


class GrowingPackage:
    """Parts of a package: those of its artefacts at once, the proofs once they are made, its end when told.

    Iterating gives all parts in order and waits, in a thread, for those that are not known yet, and before
    it ends; any number of threads may do so. Raises AbandonedError in them when there will be no end.
    """

    def __init__(self, begun: list[Part]) -> None:
        self._begun = begun
        self._rest: Future[list[Part]] = Future()
        self._end: Future[None] = Future()

    def complete(self, parts: list[Part]) -> None:
        """Give the whole package, of which what was begun is the beginning."""
        if not self._rest.done():
            self._rest.set_result(rest(parts, total_bytes(self._begun)))

    def end(self) -> None:
        """Let it end: whoever is sent the whole package may keep it from now on."""
        if not self._end.done():
            self._end.set_result(None)

    def abandon(self) -> None:
        """Say that it will not end; after `end` this changes nothing."""
        for awaited in (self._rest, self._end):
            if not awaited.done():
                awaited.cancel()

    def __iter__(self) -> Iterator[Part]:
        yield from self._begun
        yield _PAUSE
        try:
            yield from self._rest.result()
            yield _PAUSE
            self._end.result()
        except CancelledError as error:
            raise AbandonedError from error


class SmallPackage:
    """The same for a small package: read back into memory once, given to the event loop without threads."""

    def __init__(self, begun: list[Part], open_object: Callable[[str], BinaryIO]) -> None:
        self._size = total_bytes(begun)
        reading = asyncio.to_thread(lambda: b"".join(blocks(begun, open_object)))
        self._begun = asyncio.create_task(reading, name="read-back")
        self._rest = b""
        self._completed, self._ended, self._given_up = asyncio.Event(), asyncio.Event(), False

    def complete(self, parts: list[Part]) -> None:
        """As GrowingPackage.complete; what follows the beginning is literal."""
        if not self._completed.is_set():
            self._rest = b"".join(part.data or b"" for part in rest(parts, self._size))
            self._completed.set()

    def end(self) -> None:
        """As GrowingPackage.end."""
        self._ended.set()

    def abandon(self) -> None:
        """As GrowingPackage.abandon."""
        if not self._ended.is_set():
            self._given_up = True
            self._completed.set()
            self._ended.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, and then the wait for its end. Raises AbandonedError, FileNotFoundError."""
        yield await asyncio.shield(self._begun)
        yield await self._after(self._completed)
        await self._after(self._ended)

    async def _after(self, told: asyncio.Event) -> bytes:
        await told.wait()
        if self._given_up:
            raise AbandonedError
        return self._rest

    @property
    def bytes(self) -> int:
        """How many bytes were read back, once it is complete."""
        return len(self._begun.result()) + len(self._rest)

    def sha256(self) -> str:
        """SHA-256 of them."""
        return hashlib.sha256(self._begun.result() + self._rest).hexdigest()


def blocks(parts: Iterable[Part], open_object: Callable[[str], BinaryIO]) -> Iterator[bytes]:
    """The bytes of a package from first to last: objects in blocks of at most 1 MiB, small parts joined."""
    small: list[bytes] = []
    held = 0
    for part in parts:
        if 0 < part.size < _JOINED:
            small.append(_small(part, open_object))
            held += part.size
            if held < _JOINED:
                continue
        if small:
            yield b"".join(small)
            small, held = [], 0
        if part.size >= _JOINED:
            yield from _object(str(part.sha256), open_object) if part.data is None else (part.data,)
    if small:
        yield b"".join(small)


def _small(part: Part, open_object: Callable[[str], BinaryIO]) -> bytes:
    if part.data is not None:
        return part.data
    with open_object(str(part.sha256)) as file:
        return file.read()


def _object(sha256: str, open_object: Callable[[str], BinaryIO]) -> Iterator[bytes]:
    with open_object(sha256) as file:
        while block := file.read(BLOCK):
            yield block


class ReadBack:
    """One pass over a package: streams it as read from the store and takes its SHA-256.

    The custodian checks every file in these bytes against the signed manifest and says which SHA-256 the
    whole had: when it is this one, what was read back here is what he verified.
    """

    def __init__(self, parts: Iterable[Part], open_object: Callable[[str], BinaryIO]) -> None:
        self._parts, self._open = parts, open_object
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def blocks(self) -> Iterator[bytes]:
        """The package from first to last byte in blocks of at most 1 MiB; for a thread, it blocks."""
        for block in blocks(self._parts, self._open):
            # Sent first: the receiver hashes a block while it is hashed here.
            yield block
            self._sha256.update(block)
            self.bytes += len(block)

    def sha256(self) -> str:
        """SHA-256 of the package. After the last block."""
        return self._sha256.hexdigest()


def read_whole(parts: Iterable[Part], open_object: Callable[[str], BinaryIO]) -> tuple[str, str]:
    """(SHA-256, SM3) of a package as the store has it, in lowercase hex.

    Raises StoredBytesChangedError when an object does not have the digest it is named by.
    """
    whole, sm3 = hashlib.sha256(), Hash(SM3())
    for part in parts:
        single = hashlib.sha256()
        for block in blocks([part], open_object):
            for digest in (whole, single, sm3):
                digest.update(block)
        if part.data is None and single.hexdigest() != part.sha256:
            raise StoredBytesChangedError(str(part.sha256))
    return whole.hexdigest(), sm3.finalize().hex()
