"""An S3 object as a seekable file: ranged GETs, a window at a time."""

import io
from collections.abc import Callable

FIRST_WINDOW = 256 << 10
LARGEST_WINDOW = 8 << 20

Fetch = Callable[[int, int], bytes]
"""(offset, length) → those bytes. Raises Problem 503, FileNotFoundError."""


class S3Reader(io.RawIOBase):
    """Reads `size` bytes through `fetch`. Reading on from front to back asks for ever larger windows.

    A window is held in memory whole, so no connection stays open between reads and a broken one is simply
    asked again by `fetch`.
    """

    def __init__(self, size: int, fetch: Fetch) -> None:
        super().__init__()
        self._size, self._fetch = size, fetch
        self._at = 0
        self._start, self._window = 0, b""
        self._next_length = FIRST_WINDOW

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
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end of the object. Raises Problem 503."""
        wanted = max(0, self._size - self._at)
        if 0 <= size < wanted:
            wanted = size
        pieces = []
        while wanted > 0:
            piece = self._piece(wanted)
            pieces.append(piece)
            wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, wanted: int) -> bytes:
        inside = self._at - self._start
        if not 0 <= inside < len(self._window):
            self._load(wanted)
            inside = 0
        piece = self._window[inside : inside + wanted]
        self._at += len(piece)
        return piece

    def _load(self, wanted: int) -> None:
        onward = self._at == self._start + len(self._window)
        self._next_length = min(self._next_length * 4, LARGEST_WINDOW) if onward else FIRST_WINDOW
        length = min(max(self._next_length, min(wanted, LARGEST_WINDOW)), self._size - self._at)
        self._start, self._window = self._at, self._fetch(self._at, length)
