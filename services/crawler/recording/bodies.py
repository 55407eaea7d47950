"""Response bodies of one capture, kept in one file on disk so that memory stays flat."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class Stored:
    """Where a body lies."""

    offset: int
    length: int


class BodyStore:
    """Append-only file of bodies; removed with `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("w+b")
        self._end = 0

    def add(self, data: bytes) -> Stored:
        """Keep a body."""
        self._file.seek(self._end)
        self._file.write(data)
        stored = Stored(self._end, len(data))
        self._end += len(data)
        return stored

    def read(self, stored: Stored) -> bytes:
        """A body back."""
        self._file.seek(stored.offset)
        return self._file.read(stored.length)

    def close(self) -> None:
        """Forget everything."""
        self._file.close()
        self._path.unlink(missing_ok=True)
