"""The object store on disk: files named by their SHA-256, written once, synced, never overwritten."""

import asyncio
import contextlib
import errno
import hashlib
import os
import secrets
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from cryptography.hazmat.primitives.hashes import SM3, Hash

from services.common.problems import Problem

BLOCK = 1 << 20
_ABANDONED_SECONDS = 3600
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Stored:
    """What the store knows of an object: digests (lowercase hex), size in bytes, CRC-32 (for the ZIP)."""

    sha256: str
    sm3: str
    bytes: int
    crc32: int


def store_full() -> Problem:
    """507: nothing of the object was kept; the sender may repeat once there is space."""
    return Problem(
        "evidence.store_full",
        507,
        zh="证据存储空间已满,本次写入未保留任何内容",
        en="the evidence store is full; nothing of this write was kept",
        todo_zh="请通知系统管理员扩充存储空间,随后重试即可继续",
        todo_en="tell the system administrator to add space, then repeat: it will go on",
    )


def store_damaged() -> Problem:
    """500: bytes that were stored are not there any more."""
    return Problem(
        "evidence.store_damaged",
        500,
        zh="存储中的证据文件已损坏或缺失,操作中止",
        en="an object in the evidence store is damaged or missing; this stops here",
        todo_zh="请立即通知系统管理员,切勿删除任何数据",
        todo_en="tell the system administrator at once and delete nothing",
    )


class Writer:
    """One object being written to a temporary file while it is hashed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "tmp" / secrets.token_hex(12)
        self._file = self._path.open("wb", buffering=0)
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
        self._crc32 = zlib.crc32(block, self._crc32)
        view = memoryview(block)
        while view:
            view = view[self._file.write(view) :]
        self._size += len(block)

    def digest(self) -> Stored:
        """What was written. Call once, after the last block."""
        return Stored(self._sha256.hexdigest(), self._sm3.finalize().hex(), self._size, self._crc32)

    def keep(self, stored: Stored) -> None:
        """Sync the file and give it its name; an object that is already there stays as it is."""
        os.fsync(self._file.fileno())
        os.fchmod(self._file.fileno(), 0o444)
        self._file.close()
        target = object_path(self._root, stored.sha256)
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            _sync_folder(target.parent.parent)
        try:
            os.link(self._path, target)
        except FileExistsError:
            if target.stat().st_size != stored.bytes:
                raise
        _sync_folder(target.parent)
        self._path.unlink()

    def drop(self) -> None:
        """Forget what was written."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def object_path(root: Path, sha256: str) -> Path:
    """Where the object with this digest lies."""
    return root / "sha256" / sha256[:2] / sha256


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class ObjectStore:
    """Objects below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tmp").mkdir(parents=True, exist_ok=True)
        (root / "sha256").mkdir(exist_ok=True)
        # Left over from a crash: never named, so never part of any evidence. Another process may be writing.
        for leftover in (root / "tmp").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
                    leftover.unlink()

    async def receive(self, chunks: AsyncIterator[bytes], limit: int) -> "Arrival":
        """Take a stream of at most `limit` bytes into a temporary file. The caller keeps or drops it.

        Raises Problem 507 `evidence.store_full`, 413 `evidence.too_large`; then nothing is left behind.
        """
        writer = self._writer()
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
            raise _translate(error) from error
        except BaseException:
            writer.drop()
            raise
        return Arrival(writer)

    def _writer(self) -> Writer:
        try:
            return Writer(self.root)
        except OSError as error:
            raise _translate(error) from error

    def put(self, data: bytes) -> Stored:
        """Store bytes at hand; the same bytes twice are one object. Raises Problem 507."""
        writer = self._writer()
        try:
            writer.write_now(data)
            stored = writer.digest()
            writer.keep(stored)
        except OSError as error:
            writer.drop()
            raise _translate(error) from error
        return stored

    def open(self, sha256: str) -> BinaryIO:
        """The object's bytes. Raises FileNotFoundError."""
        return object_path(self.root, sha256).open("rb")

    def read(self, sha256: str) -> bytes:
        """A small object whole. Raises FileNotFoundError."""
        return object_path(self.root, sha256).read_bytes()


class Arrival:
    """A received object that is not yet named; leaving the block drops it unless it was kept."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.stored = writer.digest()
        self._kept = False

    async def keep(self) -> None:
        """Name it; from now on it is in the store for good. Raises Problem 507."""
        try:
            await asyncio.to_thread(self._writer.keep, self.stored)
        except OSError as error:
            raise _translate(error) from error
        self._kept = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            self._writer.drop()


def _translate(error: OSError) -> Exception:
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
