"""The object store on disk: files named by their SHA-256, written once, synced, never overwritten.

Whoever may write to the folder may also delete from it: a disk is no WORM store, and says so.
"""

import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from services.evidence.objects.facts import Listed, Stored, Worm
from services.evidence.objects.spool import (
    Arrival,
    Writer,
    clear_abandoned,
    new_writer,
    spool,
    spool_file,
    translate,
)


def object_path(root: Path, sha256: str) -> Path:
    """Where the object with this digest lies."""
    return root / "sha256" / sha256[:2] / sha256


def make_fan(folder: Path) -> None:
    """Make the 256 folders below `folder` in which objects lie by the first byte of their digest.

    All at once before any object comes: to make one durable takes as long as to sync an object.
    """
    folder.mkdir(exist_ok=True)
    for number in range(256):
        (folder / f"{number:02x}").mkdir(exist_ok=True)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DiskStore:
    """Objects below `root`; an ObjectStore."""

    kind: Literal["disk"] = "disk"
    locks: bool = False

    def __init__(self, root: Path) -> None:
        self.root = root
        clear_abandoned(root / "tmp")
        make_fan(root / "sha256")

    async def receive(self, chunks: AsyncIterator[bytes], limit: int) -> Arrival:
        """As ObjectStore.receive."""
        return Arrival(await spool(self.root / "tmp", chunks, limit), self._keep)

    def put(self, data: bytes) -> Stored:
        """As ObjectStore.put."""
        writer = new_writer(self.root / "tmp")
        try:
            writer.write_now(data)
            stored = writer.digest()
            self._name(writer, stored)
        except OSError as error:
            writer.drop()
            raise translate(error) from error
        return stored

    def _keep(self, writer: Writer, stored: Stored) -> Stored:
        try:
            self._name(writer, stored)
        except OSError as error:
            raise translate(error) from error
        return stored

    def _name(self, writer: Writer, stored: Stored) -> None:
        """Sync the file and give it its name; an object that is already there stays as it is."""
        os.fsync(writer.file.fileno())
        os.fchmod(writer.file.fileno(), 0o444)
        writer.file.close()
        target = object_path(self.root, stored.sha256)
        try:
            os.link(writer.path, target)
        except FileExistsError:
            if target.stat().st_size != stored.bytes:
                raise
        sync_folder(target.parent)
        writer.path.unlink()

    def open(self, sha256: str) -> BinaryIO:
        """As ObjectStore.open."""
        return object_path(self.root, sha256).open("rb")

    def read(self, sha256: str) -> bytes:
        """As ObjectStore.read."""
        return object_path(self.root, sha256).read_bytes()

    def file(self, sha256: str) -> Path | None:
        """As ObjectStore.file."""
        return object_path(self.root, sha256)

    def put_back(self, sha256: str, source: BinaryIO) -> bool:
        """As ObjectStore.put_back. A damaged file is kept aside, below `damaged`, to be looked into."""
        if self._good(sha256):
            return False
        writer = spool_file(self.root / "tmp", source)
        stored = writer.digest()
        if stored.sha256 != sha256:
            writer.drop()
            raise ValueError(f"the copy of {sha256} has another digest")
        try:
            self._set_aside(object_path(self.root, sha256))
            self._name(writer, stored)
        except OSError as error:
            writer.drop()
            raise translate(error) from error
        return True

    def _good(self, sha256: str) -> bool:
        try:
            with object_path(self.root, sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except FileNotFoundError:
            return False

    def _set_aside(self, target: Path) -> None:
        if target.exists():
            aside = self.root / "damaged"
            aside.mkdir(exist_ok=True)
            target.rename(aside / f"{target.name}.{time.time_ns()}")

    def protect(self, sha256: str, until: datetime | None, *, hold: bool) -> bool:
        """A disk locks nothing: the rule is kept in the database alone."""
        return False

    def listing(self, after: str = "") -> Iterator[Listed]:
        """As ObjectStore.listing."""
        for folder in sorted((self.root / "sha256").iterdir()):
            if folder.name < after[:2] or not folder.is_dir():
                continue
            for entry in sorted(os.scandir(folder), key=lambda item: item.name):
                if entry.name > after:
                    found = entry.stat(follow_symlinks=False)
                    yield Listed(entry.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def probe(self) -> Worm:
        """Honest: whoever may write here may delete here."""
        return Worm("not offered (disk)")

    def close(self) -> None:
        """Nothing is held."""
