"""What an object store is: content-addressed, written once, never overwritten. Disk and S3 implement it."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from services.evidence.objects.facts import Listed, Stored, Worm
from services.evidence.objects.spool import Arrival


class ObjectStore(Protocol):
    """Objects by their SHA-256. Methods that are not coroutines may block: call them in a thread."""

    root: Path
    """A local folder: the objects themselves on disk, the spool for S3."""

    @property
    def kind(self) -> Literal["disk", "s3"]:
        """Which implementation this is."""
        ...

    @property
    def locks(self) -> bool:
        """Whether it locks objects at all; what that is worth, `probe` finds out. Raises Problem 503."""
        ...

    async def receive(self, chunks: AsyncIterator[bytes], limit: int) -> Arrival:
        """Take a stream of at most `limit` bytes into a temporary file. The caller keeps or drops it.

        Raises Problem 507 `evidence.store_full`, 413 `evidence.too_large`; then nothing is left behind.
        """
        ...

    def put(self, data: bytes) -> Stored:
        """Store bytes at hand; the same bytes twice are one object. Raises Problem 507, 503, 500."""
        ...

    def open(self, sha256: str) -> BinaryIO:
        """The object's bytes, seekable. Raises FileNotFoundError, Problem 503."""
        ...

    def read(self, sha256: str) -> bytes:
        """A small object whole. Raises FileNotFoundError, Problem 503."""
        ...

    def file(self, sha256: str) -> Path | None:
        """The object as a local file, where the store has such a thing."""
        ...

    def put_back(self, sha256: str, source: BinaryIO) -> bool:
        """Restore an object from a copy; False when a good one is there, which is then left alone.

        Raises ValueError when the copy has another digest, Problem 507, 503, 500.
        """
        ...

    def protect(self, sha256: str, until: datetime | None, *, hold: bool) -> bool:
        """Lock the object until then (extended only, never shortened) and set or lift its legal hold.

        Gives whether the store locks at all. Raises FileNotFoundError, Problem 503.
        """
        ...

    def listing(self, after: str = "") -> Iterator[Listed]:
        """Everything in the store in order of name, from the first name above `after`. Raises Problem 503."""
        ...

    def probe(self) -> Worm:
        """Try to delete and to unlock a locked object, and say what happened. Raises Problem 503."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
