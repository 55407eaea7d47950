"""A package on its way in: written by the connection while the verifier already reads it, from the front."""

import io
import os
import threading
from pathlib import Path

# Dirty pages are handed to the disk in steps of this many bytes, so that little is left to sync at the end.
_SYNC_STEP = 8 << 20


class CutShortError(Exception):
    """The sender stopped before the last byte."""


class Arrival(io.RawIOBase):
    """A file that is still growing, seekable and binary; nobody knows yet how long it will be.

    One thread writes (`receive`, then `end` or `cut`), others read; a read waits for the bytes it asks for,
    or for the end. Raises CutShortError in the reader when the sender stops early. limit: most bytes taken.
    """

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__()
        self.path, self._limit = path, limit
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._received = self._at = 0
        # The nearest length anyone waits for: waking a thread for every chunk costs as much as hashing it.
        self._awaited = limit
        self._ended = self._cut = False
        self._grown = threading.Condition()

    def receive(self, data: bytes) -> None:
        """Append bytes. Raises OSError, and ValueError when they become more than the limit."""
        if self._received + len(data) > self._limit:
            raise ValueError("too large")
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        with self._grown:
            self._received += len(data)
            if self._received >= self._awaited:
                self._awaited = self._limit
                self._grown.notify_all()

    def end(self) -> None:
        """Say that every byte is there."""
        with self._grown:
            self._ended = True
            self._grown.notify_all()

    def cut(self) -> None:
        """Say that nothing more will come; unless it had ended, readers that wait are told so."""
        with self._grown:
            self._cut = not self._ended
            self._grown.notify_all()

    def _wait_for(self, count: int) -> int:
        """Wait until `count` bytes are there or the file has ended; gives how many there are."""
        with self._grown:
            while self._received < count and not self._ended:
                if self._cut:
                    raise CutShortError
                self._awaited = min(self._awaited, count)
                self._grown.wait()
            return self._received

    def sync(self) -> None:
        """Write the file to disk while it grows; returns once all of it is there. Raises CutShortError."""
        step = _SYNC_STEP
        while self._wait_for(step) >= step:
            os.fdatasync(self._descriptor)
            step += _SYNC_STEP
        os.fsync(self._descriptor)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The reader's position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the reader; to move from the end waits for it. Gives the new position."""
        if whence == io.SEEK_END:
            offset += self._wait_for(self._limit + 1)
        elif whence == io.SEEK_CUR:
            offset += self._at
        self._at = max(0, offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end of the file. Waits for them."""
        until = self._limit + 1 if size < 0 else self._at + size
        wanted = max(0, min(until, self._wait_for(until)) - self._at)
        data = os.pread(self._descriptor, wanted, self._at)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close, and forget the file under its temporary name."""
        if not self.closed:
            os.close(self._descriptor)
            self.path.unlink(missing_ok=True)
        super().close()
