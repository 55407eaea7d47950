"""A package on its way in: written by the connection while the verifier already reads it, from the front."""

import io
import os
import struct
import threading
from pathlib import Path

# Dirty pages are handed to the disk in steps of this many bytes, so that little is left to sync at the end.
_SYNC_STEP = 8 << 20
# A ZIP's end record without a comment (APPNOTE 6.3.10 section 4.3.16): its directory lies right before it.
_END = struct.Struct("<IHHHHIIH")
_END_MAGIC = 0x06054B50


class CutShortError(Exception):
    """The sender stopped before the last byte."""


class Arrival(io.RawIOBase):
    """A file that is still growing, seekable and binary; nobody knows yet how long it will be.

    One thread writes (`receive`, then `end` or `cut`), others read; a read waits for the bytes it asks for,
    or for the end. Raises CutShortError in the reader when the sender stops early. limit: most bytes taken.

    Bytes that close as a package does count as its end until more come, so that all of it can be verified
    while its sender still waits to end it. Whether it did end there, `ended` says.
    """

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__()
        self.path, self._limit = path, limit
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._received = self._at = self._wanted = 0
        # The nearest length anyone waits for: waking a thread for every chunk costs as much as hashing it.
        self._awaited = limit
        self._ended = self._cut = self._closes = False
        self._tail = b""
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
            self._tail = (self._tail + data[-_END.size :])[-_END.size :]
            self._closes = _closes(self._tail, self._received)
            if self._received >= self._awaited or self._closes:
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
        """Wait until `count` bytes are there or the file seems to have ended; gives how many there are."""
        with self._grown:
            while self._received < count and not self._ended and not self._closes:
                if self._cut:
                    raise CutShortError
                self._awaited = min(self._awaited, count)
                self._grown.wait()
            return self._received

    def ended(self) -> int:
        """Wait for the true end; gives the length. Raises CutShortError."""
        with self._grown:
            while not self._ended:
                if self._cut:
                    raise CutShortError
                self._grown.wait()
            return self._received

    def sync(self) -> None:
        """Write the file to disk while it grows; returns once all of it is there. Raises CutShortError."""
        step = _SYNC_STEP
        while (there := self._wait_for(step)) >= step:
            os.fdatasync(self._descriptor)
            step += _SYNC_STEP
        os.fsync(self._descriptor)
        if self.ended() != there:
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
            self._wanted = self._limit
            offset += self._wait_for(self._limit + 1)
        elif whence == io.SEEK_CUR:
            offset += self._at
        self._at = max(0, offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end of the file. Waits for them."""
        until = self._limit + 1 if size < 0 else self._at + size
        self._wanted = max(self._wanted, until)
        count = max(0, min(until, self._wait_for(until)) - self._at)
        data = os.pread(self._descriptor, count, self._at)
        self._at += len(data)
        return data

    @property
    def ahead(self) -> int:
        """How many bytes came that its reader has not asked for yet; none once he asked where the end is."""
        return max(0, self._received - self._wanted)

    def close(self) -> None:
        """Close, and forget the file under its temporary name."""
        if not self.closed:
            os.close(self._descriptor)
            self.path.unlink(missing_ok=True)
        super().close()


def _closes(tail: bytes, length: int) -> bool:
    """Whether a file of this length, whose last bytes these are, closes as a ZIP does."""
    if len(tail) < _END.size:
        return False
    magic, _, _, _, _, size, offset, _ = _END.unpack(tail)
    return bool(magic == _END_MAGIC and offset + size + _END.size == length)
