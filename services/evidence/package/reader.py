"""Reading a package as one file while its bytes lie in many objects."""

import bisect
import io
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import BinaryIO

from services.evidence.package.layout import Part, total_bytes

BLOCK = 1 << 20


class PackageReader(io.RawIOBase):
    """A seekable, read-only file over a package's parts; `open_object` opens an object by its SHA-256."""

    def __init__(self, parts: list[Part], open_object: Callable[[str], BinaryIO]) -> None:
        super().__init__()
        self._parts, self._open = parts, open_object
        self._starts = [0]
        for part in parts:
            self._starts.append(self._starts[-1] + part.size)
        self._at = 0
        self._current: tuple[int, BinaryIO] | None = None

    @property
    def length(self) -> int:
        """Bytes in the package."""
        return self._starts[-1]

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; gives the new position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end of the package."""
        wanted = self.length - self._at if size < 0 else min(size, self.length - self._at)
        pieces = []
        while wanted > 0:
            piece = self._read_some(wanted)
            if not piece:
                break
            pieces.append(piece)
            wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_some(self, wanted: int) -> bytes:
        index = bisect.bisect_right(self._starts, self._at) - 1
        part, inside = self._parts[index], self._at - self._starts[index]
        count = min(wanted, part.size - inside)
        if part.data is not None:
            data = part.data[inside : inside + count]
        else:
            data = self._read_object(index, str(part.sha256), inside, count)
        self._at += len(data)
        return data

    def _read_object(self, index: int, sha256: str, inside: int, count: int) -> bytes:
        if self._current is None or self._current[0] != index:
            self._release()
            self._current = (index, self._open(sha256))
        file = self._current[1]
        file.seek(inside)
        return file.read(count)

    def _release(self) -> None:
        if self._current is not None:
            self._current[1].close()
            self._current = None

    def close(self) -> None:
        """Close the open object."""
        self._release()
        super().close()


def blocks(parts: list[Part], open_object: Callable[[str], BinaryIO]) -> Iterator[bytes]:
    """The package's bytes from first to last, in blocks of at most 1 MiB."""
    with closing(PackageReader(parts, open_object)) as reader:
        for _ in range(0, total_bytes(parts), BLOCK):
            yield reader.read(BLOCK)
