"""Receiving a file: kept as it came, its digest taken on the way; and looking into it."""

import errno
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from services.common.problems import Problem
from services.registry.imports.reading.inspection import Inspected, UnreadableError, inspect
from services.registry.imports.reading.kept import ORIGINAL, KeptFiles
from services.registry.imports.reading.tables import Layout
from services.registry.imports.rules import MAX_BYTES

_BLOCK = 1 << 20
_LONG = 1 << 18
"""Bytes of a list that several processes will prepare."""


@dataclass(frozen=True)
class Received:
    """A kept file: SHA-256 of it as received, its bytes, and about how many lines it has."""

    sha256: str
    bytes: int
    lines: int


def is_long(stream: IO[bytes]) -> bool:
    """Whether a file is worth starting processes for, before it is known what it is."""
    return stream.seek(0, io.SEEK_END) >= _LONG


def keep(files: KeptFiles, import_id: str, stream: IO[bytes]) -> Received:
    """Keep a file. Raises Problem 413 `import.too_large`, 507 `storage.full`."""
    digest, size, lines = hashlib.sha256(), 0, 0

    def fill(take: Callable[[bytes], None]) -> None:
        nonlocal size, lines
        stream.seek(0)
        while block := stream.read(_BLOCK):
            size += len(block)
            lines += block.count(b"\n")
            if size > MAX_BYTES:
                raise _too_large()
            digest.update(block)
            take(block)

    try:
        files.write(import_id, ORIGINAL, fill)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full() from error
        raise
    return Received(digest.hexdigest(), size, lines)


def look(files: KeptFiles, import_id: str, wanted: Layout | None) -> Inspected:
    """What is in a kept file. Raises Problem 422."""
    try:
        return inspect(files, import_id, wanted)
    except UnreadableError as error:
        raise Problem(
            error.code,
            422,
            zh=error.zh,
            en=error.en,
            todo_zh="请另存为CSV（UTF-8）或.xlsx后重新上传",
            todo_en="save it as CSV (UTF-8) or .xlsx and upload it again",
        ) from error


def _too_large() -> Problem:
    return Problem(
        "import.too_large",
        413,
        zh="文件超过512 MiB",
        en="the file is larger than 512 MiB",
        todo_zh="请拆分后分次导入",
        todo_en="split it and import the parts",
    )


def _full() -> Problem:
    return Problem(
        "storage.full",
        507,
        zh="存储空间已满，文件未保存",
        en="the storage is full; the file was not kept",
        todo_zh="请通知系统管理员扩充空间，之后重试即可",
        todo_en="tell the system administrator to add space, then try again",
    )
