"""An S3 object as a seekable file: ranged GETs, a window at a time."""

from collections.abc import Callable

from services.evidence.package.readonly import ReadOnlyFile

FIRST_WINDOW = 256 << 10
LARGEST_WINDOW = 8 << 20

Fetch = Callable[[int, int], bytes]
"""(offset, length) → those bytes. Raises Problem 503, FileNotFoundError."""


class S3Reader(ReadOnlyFile):
    """Reads `size` bytes through `fetch`. Reading on from front to back asks for ever larger windows.

    A window is held in memory whole, so no connection stays open between reads and a broken one is simply
    asked again by `fetch`.
    """

    def __init__(self, size: int, fetch: Fetch) -> None:
        super().__init__()
        self._size, self._fetch = size, fetch
        self._start, self._window = 0, b""
        self._next_length = FIRST_WINDOW

    @property
    def length(self) -> int:
        """Bytes in the object."""
        return self._size

    def _piece(self, wanted: int) -> bytes:
        inside = self._at - self._start
        if not 0 <= inside < len(self._window):
            self._load(wanted)
            inside = 0
        return self._window[inside : inside + wanted]

    def _load(self, wanted: int) -> None:
        onward = self._at == self._start + len(self._window)
        self._next_length = min(self._next_length * 4, LARGEST_WINDOW) if onward else FIRST_WINDOW
        length = min(max(self._next_length, min(wanted, LARGEST_WINDOW)), self._size - self._at)
        self._start, self._window = self._at, self._fetch(self._at, length)
