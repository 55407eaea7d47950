"""What an object store is: content-addressed, written once, never overwritten. Disk and S3 implement it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

from services.common.problems import Problem

if TYPE_CHECKING:
    from services.evidence.objects.spool import Arrival

WormState = Literal["enforced", "NOT enforced", "not offered (disk)", "unknown"]


@dataclass(frozen=True)
class Stored:
    """What the store knows of an object: digests (lowercase hex), size in bytes, CRC-32 (for the ZIP)."""

    sha256: str
    sm3: str
    bytes: int
    crc32: int
    version: str | None = None
    """The version id an S3 store gave to these very bytes; None on disk."""


@dataclass(frozen=True)
class Listed:
    """A name found in the store. `name` is a SHA-256 unless someone put a foreign file there.

    covered: a newer version or a delete marker lies over the object (S3 only): someone tried to replace it.
    """

    name: str
    bytes: int
    modified: datetime
    covered: bool = False


@dataclass(frozen=True)
class Worm:
    """What the start-up probe found: the state, and in words each thing that was not as it must be."""

    state: WormState
    faults: tuple[str, ...] = ()


class ObjectStore(Protocol):
    """Objects by their SHA-256. Methods that are not coroutines may block: call them in a thread."""

    root: Path
    """A local folder: the objects themselves on disk, the spool for S3."""

    @property
    def kind(self) -> Literal["disk", "s3"]:
        """Which implementation this is."""
        ...

    @property
    def locks(self) -> bool:
        """Whether it locks objects at all; what that is worth, `probe` finds out. Raises Problem 503."""
        ...

    async def receive(self, chunks: AsyncIterator[bytes], limit: int) -> Arrival:
        """Take a stream of at most `limit` bytes into a temporary file. The caller keeps or drops it.

        Raises Problem 507 `evidence.store_full`, 413 `evidence.too_large`; then nothing is left behind.
        """
        ...

    def put(self, data: bytes) -> Stored:
        """Store bytes at hand; the same bytes twice are one object. Raises Problem 507, 503, 500."""
        ...

    def open(self, sha256: str) -> BinaryIO:
        """The object's bytes, seekable. Raises FileNotFoundError, Problem 503."""
        ...

    def read(self, sha256: str) -> bytes:
        """A small object whole. Raises FileNotFoundError, Problem 503."""
        ...

    def file(self, sha256: str) -> Path | None:
        """The object as a local file, where the store has such a thing."""
        ...

    def put_back(self, sha256: str, source: BinaryIO) -> bool:
        """Restore an object from a copy; False when a good one is there, which is then left alone.

        Raises ValueError when the copy has another digest, Problem 507, 503, 500.
        """
        ...

    def protect(self, sha256: str, until: datetime | None, *, hold: bool) -> bool:
        """Lock the object until then (extended only, never shortened) and set or lift its legal hold.

        Gives whether the store locks at all. Raises FileNotFoundError, Problem 503.
        """
        ...

    def listing(self, after: str = "") -> Iterator[Listed]:
        """Everything in the store in order of name, from the first name above `after`. Raises Problem 503."""
        ...

    def probe(self) -> Worm:
        """Try to delete and to unlock a locked object, and say what happened. Raises Problem 503."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


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


def store_away(reason: str) -> Problem:
    """503: the store does not answer, or not in time."""
    return Problem(
        "evidence.store_unavailable",
        503,
        zh="证据存储暂时不可用,本次操作未完成",
        en=f"the evidence store is not available: {reason}",
        todo_zh="无需重新采集,存储恢复后重试即可继续;若持续出现,请通知系统管理员",
        todo_en="nothing is lost: try again once it is back; if it goes on, tell the system administrator",
    )


def store_denied(reason: str) -> Problem:
    """503: the store refuses us: keys, bucket or rights are wrong."""
    return Problem(
        "evidence.store_denied",
        503,
        zh=f"证据存储拒绝访问({reason})",
        en=f"the evidence store refuses access: {reason}",
        todo_zh="请通知系统管理员检查存储桶、访问密钥及其权限",
        todo_en="tell the system administrator to check bucket, access key and its rights",
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
