"""Bytes on their way into a store: written to a temporary file while they are hashed."""

import asyncio
import contextlib
import errno
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, Self

from cryptography.hazmat.primitives.hashes import SM3, Hash
from isal.isal_zlib import crc32

from services.common.problems import Problem
from services.evidence.objects.facts import Stored
from services.evidence.objects.faults import store_full

BLOCK = 1 << 20
_ABANDONED_SECONDS = 3600
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Writer:
    """One object being written to a temporary file below `folder` while it is hashed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / secrets.token_hex(12)
        self.file = self.path.open("wb", buffering=0)
        self._sha256, self._sm3 = hashlib.sha256(), Hash(SM3())
        self._crc32 = self._size = 0

    async def write(self, block: bytes) -> None:
        """Hash and write a block; both digests run side by side, because SM3 takes four times as long."""
        await asyncio.gather(
            asyncio.to_thread(self._sm3.update, block), asyncio.to_thread(self._write_fast, block)
        )

    def write_now(self, block: bytes) -> None:
        """The same without threads, for small blocks."""
        self._sm3.update(block)
        self._write_fast(block)

    def _write_fast(self, block: bytes) -> None:
        self._sha256.update(block)
        self._crc32 = crc32(block, self._crc32)
        view = memoryview(block)
        while view:
            view = view[self.file.write(view) :]
        self._size += len(block)

    def digest(self) -> Stored:
        """What was written. Call once, after the last block."""
        return Stored(self._sha256.hexdigest(), self._sm3.finalize().hex(), self._size, self._crc32)

    def drop(self) -> None:
        """Forget what was written."""
        self.file.close()
        self.path.unlink(missing_ok=True)


class Arrival:
    """A received object that is not yet in the store; leaving the block drops it unless it was kept."""

    def __init__(self, writer: Writer, keep: Callable[[Writer, Stored], Stored]) -> None:
        self._writer, self._keep = writer, keep
        self.stored = writer.digest()
        self._kept = False

    async def keep(self) -> None:
        """Store it: from now on it is there for good, and `stored` has its version.

        Raises Problem 507, 503.
        """
        self.stored = await asyncio.to_thread(self._keep, self._writer, self.stored)
        self._kept = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            self._writer.drop()


def clear_abandoned(folder: Path) -> None:
    """Make the folder, and remove what a crash left there: never named, so never part of any evidence."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            # Another process may be writing: only old files go.
            if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
                leftover.unlink()


def new_writer(folder: Path) -> Writer:
    """A writer. Raises Problem 507."""
    try:
        return Writer(folder)
    except OSError as error:
        raise translate(error) from error


async def spool(folder: Path, chunks: AsyncIterator[bytes], limit: int) -> Writer:
    """Take a stream of at most `limit` bytes. Raises Problem 507, 413; then nothing is left behind."""
    writer = new_writer(folder)
    try:
        size = 0
        async for block in _regroup(chunks):
            size += len(block)
            if size > limit:
                raise _too_large(limit)
            if len(block) < BLOCK // 8:
                writer.write_now(block)
            else:
                await writer.write(block)
    except OSError as error:
        writer.drop()
        raise translate(error) from error
    except BaseException:
        writer.drop()
        raise
    return writer


def spool_file(folder: Path, source: BinaryIO) -> Writer:
    """Take a file to its end. Raises Problem 507; then nothing is left behind."""
    writer = new_writer(folder)
    try:
        while block := source.read(BLOCK):
            writer.write_now(block)
    except OSError as error:
        writer.drop()
        raise translate(error) from error
    except BaseException:
        writer.drop()
        raise
    return writer


def translate(error: OSError) -> Exception:
    """507 for a full disk, the error itself otherwise."""
    return store_full() if error.errno in _NO_SPACE else error


def _too_large(limit: int) -> Problem:
    return Problem(
        "evidence.too_large",
        413,
        zh=f"文件超过上限({limit} 字节)",
        en=f"the file is larger than the limit of {limit} bytes",
    )


async def _regroup(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Collect small network chunks into blocks worth a thread."""
    pending: list[bytes] = []
    size = 0
    async for chunk in chunks:
        pending.append(chunk)
        size += len(chunk)
        if size >= BLOCK:
            yield b"".join(pending)
            pending, size = [], 0
    if size:
        yield b"".join(pending)
