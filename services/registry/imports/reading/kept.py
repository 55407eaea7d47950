"""Files as received, kept sealed: a list of shops is a list of people's telephone numbers.

One file an import: blocks of 1 MiB, each sealed (AES-256-GCM) for its place, so that a block that was moved,
left out or taken from another file does not open; the last one is marked as such. Read from front to back.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from services.common.personal import KeyRing, PersonalData

ORIGINAL: Final = "original"
TEXT: Final = "text"
"""Parts of an import's file: as received, and the text made from a workbook."""
_BLOCK: Final = 1 << 20
_LENGTH: Final = 4
_LAST: Final = 1 << 31


class KeptFiles:
    """The files of imports below one folder (mode 700, files 600)."""

    def __init__(self, folder: Path, personal: PersonalData) -> None:
        self._folder, self._personal = folder, personal

    @property
    def ring(self) -> KeyRing:
        """The keys, for a process of its own that reads or writes here."""
        return self._personal.ring

    def path(self, import_id: str, part: str) -> Path:
        """Where a part lies."""
        return self._folder / f"{import_id}.{part}"

    def write(self, import_id: str, part: str, fill: Callable[[Callable[[bytes], None]], None]) -> None:
        """Write a part: `fill` is given a function that takes bytes. It is there whole, or not at all."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path(import_id, part)
        partial = path.with_name(path.name + ".partial")
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                sealing = _Sealing(file, self._personal, f"{import_id}:{part}")
                fill(sealing.take)
                sealing.end()
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def open(self, import_id: str, part: str) -> IO[bytes]:
        """A part, for reading from the front; `seek(0)` begins again. Raises OSError, PersonalDataError."""
        raw = self.path(import_id, part).open("rb")
        return io.BufferedReader(_Opening(raw, self._personal, f"{import_id}:{part}"), _BLOCK)

    def seal_anew(self, import_id: str, part: str) -> None:
        """Seal a part under the current data key; readers go on with what they opened.

        Raises OSError, PersonalDataError.
        """
        with self.open(import_id, part) as old:

            def copy(take: Callable[[bytes], None]) -> None:
                while block := old.read(_BLOCK):
                    take(block)

            self.write(import_id, part, copy)

    def has(self, import_id: str, part: str) -> bool:
        """Whether the part is there."""
        return self.path(import_id, part).exists()

    def remove(self, import_id: str) -> None:
        """Remove all parts of an import."""
        for path in self._folder.glob(f"{import_id}.*"):
            path.unlink(missing_ok=True)


class _Sealing:
    def __init__(self, file: IO[bytes], personal: PersonalData, about: str) -> None:
        self._file, self._personal, self._about = file, personal, about
        self._waiting, self._count = bytearray(), 0

    def take(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) > _BLOCK:
            self._put(bytes(self._waiting[:_BLOCK]), last=False)
            del self._waiting[:_BLOCK]

    def end(self) -> None:
        self._put(bytes(self._waiting), last=True)

    def _put(self, block: bytes, *, last: bool) -> None:
        sealed = self._personal.seal_block(block, f"{self._about}:{self._count}:{int(last)}")
        self._file.write((len(sealed) | (_LAST if last else 0)).to_bytes(_LENGTH, "big") + sealed)
        self._count += 1


class _Opening(io.RawIOBase):
    """Opens block after block; knows no place but the front."""

    def __init__(self, file: IO[bytes], personal: PersonalData, about: str) -> None:
        super().__init__()
        self._file, self._personal, self._about = file, personal, about
        self._begin()

    def _begin(self) -> None:
        self._file.seek(0)
        self._block, self._at, self._count, self._place, self._ended = b"", 0, 0, 0, False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Only ever near the front: past a byte order mark, or back to the first byte."""
        if whence == io.SEEK_CUR:
            offset, whence = self._place + offset, io.SEEK_SET
        if whence != io.SEEK_SET or offset < 0:
            raise io.UnsupportedOperation("sealed files are read from the front")
        if offset < self._place:
            self._begin()
        while self._place < offset and self.read(min(offset - self._place, _BLOCK)):
            pass
        return self._place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        while self._at >= len(self._block):
            if self._ended:
                return 0
            self._next()
        count = min(len(view), len(self._block) - self._at)
        view[:count] = self._block[self._at : self._at + count]
        self._at += count
        self._place += count
        return count

    def _next(self) -> None:
        length = int.from_bytes(self._file.read(_LENGTH), "big")
        last = bool(length & _LAST)
        sealed = self._file.read(length & ~_LAST)
        self._block = self._personal.open_block(sealed, f"{self._about}:{self._count}:{int(last)}")
        self._at, self._ended = 0, last
        self._count += 1

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
