"""A seekable file that is only read, whose bytes come in pieces from elsewhere."""

import io
from abc import abstractmethod


class ReadOnlyFile(io.RawIOBase):
    """What every such file shares: a position, seeking, and reading until enough pieces are there."""

    def __init__(self) -> None:
        super().__init__()
        self._at = 0

    @property
    @abstractmethod
    def length(self) -> int:
        """Bytes in the file."""

    @abstractmethod
    def _piece(self, wanted: int) -> bytes:
        """Up to `wanted` bytes from the position on; none only when there are no more."""

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
        """Up to `size` bytes, fewer only at the end. Raises what getting a piece raises."""
        left = max(0, self.length - self._at)
        wanted = left if size < 0 else min(size, left)
        pieces = []
        while wanted > 0 and (piece := self._piece(wanted)):
            pieces.append(piece)
            self._at += len(piece)
            wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
