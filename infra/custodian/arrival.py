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
    """A file of known length that is still growing, seekable and binary.

    One thread writes (`receive`, then `end` or `cut`), others read; a read waits for the bytes it asks for.
    Raises CutShortError in the reader when the sender stops early.
    """

    def __init__(self, path: Path, length: int) -> None:
        super().__init__()
        self.path, self.length = path, length
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._received = self._at = 0
        # The nearest length anyone waits for: waking a thread for every chunk costs as much as hashing it.
        self._awaited = length
        self._cut = False
        self._grown = threading.Condition()

    def receive(self, data: bytes) -> None:
        """Append bytes. Raises OSError, and ValueError when they are more than `length`."""
        if self._received + len(data) > self.length:
            raise ValueError("more bytes than stated")
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        with self._grown:
            self._received += len(data)
            if self._received >= self._awaited:
                self._awaited = self.length
                self._grown.notify_all()

    @property
    def complete(self) -> bool:
        """Whether every byte has arrived."""
        return self._received == self.length

    def cut(self) -> None:
        """Say that nothing more will come; readers that wait are told so."""
        with self._grown:
            self._cut = not self.complete
            self._grown.notify_all()

    def _wait_for(self, count: int) -> None:
        with self._grown:
            while self._received < count:
                if self._cut:
                    raise CutShortError
                self._awaited = min(self._awaited, count)
                self._grown.wait()

    def sync(self) -> None:
        """Write the file to disk while it grows; returns once all of it is there. Raises CutShortError."""
        for step in range(_SYNC_STEP, self.length, _SYNC_STEP):
            self._wait_for(step)
            os.fdatasync(self._descriptor)
        self._wait_for(self.length)
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
        """Move the reader; the end is where the file will end. Gives the new position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end of the file. Waits for them."""
        left = max(0, self.length - self._at)
        wanted = left if size < 0 else min(size, left)
        self._wait_for(self._at + wanted)
        data = os.pread(self._descriptor, wanted, self._at)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close, and forget the file under its temporary name."""
        if not self.closed:
            os.close(self._descriptor)
            self.path.unlink(missing_ok=True)
        super().close()
