"""An append-only file of notes: one write and one sync each, and after a crash all that were answered."""

import os
from pathlib import Path

from infra.custodian.identity import sync_folder


class Journal:
    """Notes as `<length in bytes> LF <note>`, oldest first; `last`: the newest, if any."""

    def __init__(self, path: Path) -> None:
        new = not path.exists()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if new:
            sync_folder(path.parent)
        self.last, whole = _newest(path.read_bytes())
        # What a crash cut short was never answered; it goes, so that what follows can be read.
        os.ftruncate(self._descriptor, whole)

    def append(self, note: str) -> None:
        """Keep a note; durable on return. Raises OSError, and then the note is not kept."""
        data = note.encode()
        record = b"%d\n" % len(data) + data
        end = os.fstat(self._descriptor).st_size
        try:
            if os.write(self._descriptor, record) != len(record):
                raise OSError("the note was written in part")
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, end)
            raise
        self.last = note

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _newest(data: bytes) -> tuple[str | None, int]:
    """The last whole note and where it ends."""
    last, at = None, 0
    while True:
        line = data.find(b"\n", at)
        if line < 0 or not data[at:line].isdigit():
            return last, at
        end = line + 1 + int(data[at:line])
        if end > len(data):
            return last, at
        last, at = data[line + 1 : end].decode("utf-8"), end
