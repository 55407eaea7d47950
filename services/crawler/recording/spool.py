"""Artefacts on the worker's disk: hashed with SHA-256 and SM3 while they are written."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from cryptography.hazmat.primitives.hashes import SM3, Hash

from services.common.clock import rfc3339, utc_now

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Artefact:
    """One file of a capture. `path` is its place in the package; hashes are lower-case hex."""

    path: str
    role: str
    media_type: str
    bytes: int
    sha256: str
    sm3: str
    created: str
    derived_from: str | None = None

    def row(self) -> dict[str, Any]:
        """As the manifest lists it."""
        return asdict(self)


class HashingFile:
    """A binary file being written; both digests grow with it (GB/T 32905-2016 SM3, FIPS 180-4 SHA-256)."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._sm3 = Hash(SM3())
        self.size = 0

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self._sha256.update(data)
        self._sm3.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def flush(self) -> None:
        """Hand buffered bytes to the system."""
        self._file.flush()

    def digests(self) -> tuple[str, str]:
        """SHA-256 and SM3 of everything written; ends the writing."""
        return self._sha256.hexdigest(), self._sm3.finalize().hex()


class Spool:
    """The folder of one capture. Made empty; files keep the paths they will have in the package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.artefacts: list[Artefact] = []

    def wipe(self) -> None:
        """Remove whatever an earlier attempt left and start with an empty folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)
        self.artefacts = []

    def remove(self) -> None:
        """Remove the folder: the evidence service has it all."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def place(self, path: str) -> Path:
        """Where an artefact lies on disk. Raises ValueError for a path that leaves the folder."""
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts:
            raise ValueError(f"not a path inside the package: {path!r}")
        return self.folder.joinpath(*parts)

    @contextmanager
    def writing(
        self, path: str, role: str, media_type: str, *, derived_from: str | None = None
    ) -> Iterator[HashingFile]:
        """Write one artefact; it is listed when the block ends without error."""
        target = self.place(path)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with target.open("xb") as file:
            out = HashingFile(file)
            yield out
        sha256, sm3 = out.digests()
        self.artefacts.append(
            Artefact(path, role, media_type, out.size, sha256, sm3, rfc3339(utc_now()), derived_from)
        )

    def write(
        self, path: str, role: str, media_type: str, data: bytes, *, derived_from: str | None = None
    ) -> Artefact:
        """Write one artefact whose bytes are at hand."""
        with self.writing(path, role, media_type, derived_from=derived_from) as out:
            for start in range(0, len(data), _CHUNK):
                out.write(data[start : start + _CHUNK])
        return self.artefacts[-1]

    def sync(self) -> None:
        """Make everything durable: files, then the folders that name them."""
        folders: set[Path] = {self.folder, self.folder.parent}
        for artefact in self.artefacts:
            place = self.place(artefact.path)
            _fsync(place, os.O_RDONLY)
            folders.add(place.parent)
        for folder in folders:
            _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)

    def holds(self, artefacts: list[Artefact]) -> bool:
        """Whether every file is here with its size (what a restart needs to resume the upload)."""
        return all(
            (place := self.place(a.path)).is_file() and place.stat().st_size == a.bytes for a in artefacts
        )


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
