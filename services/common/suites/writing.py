"""Files that are whole or not there, and durable when a function returns."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def write_once(path: Path, data: bytes, mode: int) -> None:
    """Write a complete, synced file and link it into place; an existing one stays. Raises OSError."""
    with _temporary(path, data, mode) as temporary, contextlib.suppress(FileExistsError):
        os.link(temporary, path)


def replace(path: Path, data: bytes, mode: int) -> None:
    """Put a complete, synced file in the place of `path`, at once for every reader. Raises OSError."""
    with _temporary(path, data, mode) as temporary:
        temporary.replace(path)


@contextlib.contextmanager
def _temporary(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
