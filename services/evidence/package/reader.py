"""Reading a package as one file while its bytes lie in many objects."""

import bisect
from collections.abc import Callable
from typing import BinaryIO

from services.evidence.package.layout import Part
from services.evidence.package.readonly import ReadOnlyFile

BLOCK = 1 << 20


class PackageReader(ReadOnlyFile):
    """A seekable, read-only file over a package's parts; `open_object` opens an object by its SHA-256."""

    def __init__(self, parts: list[Part], open_object: Callable[[str], BinaryIO]) -> None:
        super().__init__()
        self._parts, self._open = parts, open_object
        self._starts = [0]
        for part in parts:
            self._starts.append(self._starts[-1] + part.size)
        self._current: tuple[int, BinaryIO] | None = None

    @property
    def length(self) -> int:
        """Bytes in the package."""
        return self._starts[-1]

    def _piece(self, wanted: int) -> bytes:
        index = bisect.bisect_right(self._starts, self._at) - 1
        part, inside = self._parts[index], self._at - self._starts[index]
        count = min(wanted, part.size - inside)
        if part.data is not None:
            return part.data[inside : inside + count]
        return self._read_object(index, str(part.sha256), inside, count)

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
