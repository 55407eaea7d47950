"""A package on its way out before it is known how it ends, read back from the store and hashed again."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from typing import BinaryIO

from services.evidence.package.layout import Part, rest, total_bytes
from services.evidence.package.reader import BLOCK


class StoredBytesChangedError(RuntimeError):
    """An object in the store no longer has the digest it is named by."""


class AbandonedError(RuntimeError):
    """The package was given up before it was complete."""


class GrowingPackage:
    """Parts of a package: those of its artefacts at once, the proofs once they are made.

    Iterating gives all parts in order and waits, in a thread, for those that are not known yet; any number
    of threads may do so. Raises AbandonedError in them when there will be no more.
    """

    def __init__(self, begun: list[Part]) -> None:
        self._begun = begun
        self._rest: Future[list[Part]] = Future()

    def complete(self, parts: list[Part]) -> None:
        """Give the whole package, of which what was begun is the beginning."""
        if not self._rest.done():
            self._rest.set_result(rest(parts, total_bytes(self._begun)))

    def abandon(self) -> None:
        """Say that nothing more will come; after `complete` this changes nothing."""
        if not self._rest.done():
            self._rest.cancel()

    def __iter__(self) -> Iterator[Part]:
        yield from self._begun
        try:
            left = self._rest.result()
        except CancelledError as error:
            raise AbandonedError from error
        yield from left


def blocks(parts: Iterable[Part], open_object: Callable[[str], BinaryIO]) -> Iterator[bytes]:
    """The bytes of a package from first to last, in blocks of at most 1 MiB (literal parts as they are)."""
    for part in parts:
        if part.data is not None:
            yield part.data
            continue
        with open_object(str(part.sha256)) as file:
            while block := file.read(BLOCK):
                yield block


class ReadBack:
    """One pass over a package: streams it, takes its SHA-256 and that of every object in it.

    What is streamed comes from the store's files, so an object that was damaged there is found here:
    the pass ends with StoredBytesChangedError before anything is called sealed.
    """

    def __init__(self, parts: Iterable[Part], open_object: Callable[[str], BinaryIO]) -> None:
        self._parts, self._open = parts, open_object
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def blocks(self) -> Iterator[bytes]:
        """The package from first to last byte in blocks of at most 1 MiB; for a thread, it blocks."""
        for block in self._read():
            # Sent first: the receiver hashes a block while it is hashed here.
            yield block
            self._sha256.update(block)
            self.bytes += len(block)

    def _read(self) -> Iterator[bytes]:
        for part in self._parts:
            if part.data is not None:
                yield part.data
                continue
            single = hashlib.sha256()
            for block in blocks([part], self._open):
                yield block
                single.update(block)
            if single.hexdigest() != part.sha256:
                raise StoredBytesChangedError(str(part.sha256))

    def sha256(self) -> str:
        """SHA-256 of the package. After the last block."""
        return self._sha256.hexdigest()
