"""The object store on S3: versioned, object-locked, read back before anything is acknowledged.

Decisions (ADR 0014): the digest is the name, so an object's digest must be known before it is sent: bytes are
spooled to a local disk while they are hashed, then uploaded (in parts above 8 MiB). Every version has a
COMPLIANCE retention from its first moment, a short one that sealing extends: what is never sealed need not
be kept for years. A put is acknowledged only after the version was read back whole and gave the same SHA-256
and the store showed the lock on it.
"""

import hashlib
import io
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Literal, cast

import structlog
from cryptography.hazmat.primitives.hashes import SM3, Hash
from minio.commonconfig import COMPLIANCE
from minio.error import S3Error
from minio.retention import Retention

from services.common.problems import Problem
from services.evidence.objects.facts import Listed, Stored, Worm
from services.evidence.objects.faults import store_damaged
from services.evidence.objects.probe import probe
from services.evidence.objects.s3_config import S3Config, connect
from services.evidence.objects.s3_errors import asking
from services.evidence.objects.s3_reader import S3Reader
from services.evidence.objects.s3_versions import Version, by_name, described, when, whole_seconds
from services.evidence.objects.spool import BLOCK, Arrival, Writer, clear_abandoned, spool, spool_file

log = structlog.get_logger()

PREFIX = "sha256/"
_PART = 8 << 20
_REMEMBERED = 65_536
_CONNECTIONS = 32


def object_key(sha256: str) -> str:
    """The object's key: sha256/ab/<hex>."""
    return f"{PREFIX}{sha256[:2]}/{sha256}"


class S3Store:
    """Objects in one bucket; an ObjectStore. `root` is the spool."""

    kind: Literal["s3"] = "s3"

    def __init__(self, config: S3Config, spool_folder: Path) -> None:
        self.root, self.config = spool_folder, config
        clear_abandoned(spool_folder / "tmp")
        self.client = connect(config)
        self._known: OrderedDict[str, Version] = OrderedDict()
        self._known_lock = Lock()
        self._locks: bool | None = None

    def prepare(self) -> None:
        """See that the bucket is there (made with object lock if not) and whether it locks.

        Raises Problem 503 `evidence.store_unavailable`, `evidence.store_denied`.
        """
        with asking():
            if not self.client.bucket_exists(self.config.bucket):
                self.client.make_bucket(self.config.bucket, object_lock=True)
                log.info("store.bucket_made", bucket=self.config.bucket)
            try:
                self.client.get_object_lock_config(self.config.bucket)
                self._locks = True
            except S3Error as error:
                if error.code != "ObjectLockConfigurationNotFoundError":
                    raise
                self._locks = False

    @property
    def locks(self) -> bool:
        """Whether the bucket has object lock at all; what that is worth, the probe finds out."""
        if self._locks is None:
            self.prepare()
        return bool(self._locks)

    # Writing

    async def receive(self, chunks: AsyncIterator[bytes], limit: int) -> Arrival:
        """As ObjectStore.receive; keeping raises Problem 503, 507 and 500 `evidence.store_damaged` too."""
        return Arrival(await spool(self.root / "tmp", chunks, limit), self._keep)

    def _keep(self, writer: Writer, stored: Stored) -> Stored:
        writer.file.close()
        with writer.path.open("rb") as source:
            version = self._store(source, stored)
        writer.path.unlink()
        return replace(stored, version=version.id)

    def put(self, data: bytes) -> Stored:
        """As ObjectStore.put."""
        stored = _digests(data)
        return replace(stored, version=self._store(io.BytesIO(data), stored).id)

    def _store(self, source: BinaryIO, stored: Stored) -> Version:
        """The version that holds these bytes: one that is there already, else a new one, read back."""
        key, locks = object_key(stored.sha256), self.locks
        found = self._good_version(stored.sha256)
        if found is None:
            with asking():
                result = self.client.put_object(
                    self.config.bucket,
                    key,
                    source,
                    stored.bytes,
                    part_size=_PART,
                    num_parallel_uploads=1,
                    retention=Retention(COMPLIANCE, self._first_until()) if locks else None,
                )
            found = self._read_back(key, str(result.version_id or ""), stored)
        locked = self._locked(key, found, self._first_until())
        self._remember(stored.sha256, locked)
        return locked

    def _first_until(self) -> datetime:
        return (datetime.now(UTC) + timedelta(days=self.config.lock_days)).replace(microsecond=0)

    def _read_back(self, key: str, version: str, stored: Stored) -> Version:
        found, digest = self._digest(key, version)
        if (digest, found.bytes) != (stored.sha256, stored.bytes):
            log.error("store.read_back_differs", key=key, version=version, digest=digest)
            raise _not_what_was_sent()
        return found

    def _digest(self, key: str, version: str) -> tuple[Version, str]:
        """A version and the SHA-256 of the bytes it gives out, read from first to last."""
        digest, size = hashlib.sha256(), 0
        with asking():
            response = self.client.get_object(self.config.bucket, key, version_id=version or None)
            with closing(response):
                for block in response.stream(BLOCK):
                    digest.update(block)
                    size += len(block)
                found = described(response.headers, size)
        return found, digest.hexdigest()

    def _locked(self, key: str, version: Version, until: datetime) -> Version:
        """The version, locked at least until then: some servers lose the lock of an upload in parts.

        Raises Problem 500 `evidence.store_unlocked` when the store took the lock and then does not show it.
        """
        if not self.locks or (version.until is not None and version.until >= until):
            return version
        with asking():
            retention = Retention(COMPLIANCE, until)
            self.client.set_object_retention(self.config.bucket, key, retention, version.id)
        shown = self.look(key, version.id)
        if shown.until is None or shown.until < until:
            raise _unlocked()
        return shown

    # Reading

    def look(self, key: str, version: str) -> Version:
        """One version by its id. Raises FileNotFoundError, Problem 503."""
        with asking():
            found = self.client.stat_object(self.config.bucket, key, version_id=version or None)
        return described(found.metadata or {}, int(found.size or 0))

    def versions(self, sha256: str) -> list[str]:
        """Ids of the object's versions, oldest first, without delete markers. Raises Problem 503."""
        key = object_key(sha256)
        with asking():
            listed = list(self.client.list_objects(self.config.bucket, prefix=key, include_version=True))
        rows = [item for item in listed if item.object_name == key and not item.is_delete_marker]
        return [str(item.version_id or "") for item in sorted(rows, key=when)]

    def _good_version(self, sha256: str) -> Version | None:
        """The oldest version with this digest, read whole to know it; None when there is none."""
        for version in self.versions(sha256):
            found, digest = self._digest(object_key(sha256), version)
            if digest == sha256:
                return found
            log.error("store.version_damaged", sha256=sha256, version=version)
        return None

    def _resolve(self, sha256: str) -> Version:
        """The version to read: the one remembered, the only one, or of several the one with the digest."""
        with self._known_lock:
            known = self._known.get(sha256)
        if known is not None:
            return known
        versions = self.versions(sha256)
        if not versions:
            raise FileNotFoundError(sha256)
        if len(versions) == 1:
            found = self.look(object_key(sha256), versions[0])
        else:
            # Someone wrote over it. The digest is the name, so the right one can be told from the others.
            found = self._good_version(sha256) or self.look(object_key(sha256), versions[0])
        self._remember(sha256, found)
        return found

    def _remember(self, sha256: str, version: Version) -> None:
        with self._known_lock:
            self._known[sha256] = version
            self._known.move_to_end(sha256)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def open(self, sha256: str) -> BinaryIO:
        """As ObjectStore.open: ranged GETs of the version that has this digest."""
        version, key = self._resolve(sha256), object_key(sha256)

        def fetch(offset: int, length: int) -> bytes:
            return self._fetch(key, version.id, offset, length)

        return cast(BinaryIO, S3Reader(version.bytes, fetch))

    def _fetch(self, key: str, version: str, offset: int, length: int) -> bytes:
        with asking():
            response = self.client.get_object(
                self.config.bucket, key, offset=offset, length=length, version_id=version or None
            )
            with closing(response):
                data = bytes(response.read())
                response.release_conn()
        if len(data) != length:
            raise store_damaged()
        return data

    def read(self, sha256: str) -> bytes:
        """As ObjectStore.read."""
        with self.open(sha256) as file:
            return file.read()

    def file(self, sha256: str) -> Path | None:
        """There is no local file."""
        return None

    # Keeping

    def put_back(self, sha256: str, source: BinaryIO) -> bool:
        """As ObjectStore.put_back: a new version; the damaged one stays as long as its lock lasts."""
        with self._known_lock:
            self._known.pop(sha256, None)
        if self._good_version(sha256) is not None:
            return False
        writer = spool_file(self.root / "tmp", source)
        try:
            stored = writer.digest()
            if stored.sha256 != sha256:
                raise ValueError(f"the copy of {sha256} has another digest")
            self._keep(writer, stored)
        finally:
            writer.drop()
        return True

    def protect(self, sha256: str, until: datetime | None, *, hold: bool) -> bool:
        """As ObjectStore.protect."""
        if not self.locks:
            return False
        key = object_key(sha256)
        # What is remembered of the lock may be old: ask.
        version = self.look(key, self._resolve(sha256).id)
        if until is not None:
            version = self._locked(key, version, whole_seconds(until))
        if version.hold != hold:
            change = self.client.enable_object_legal_hold if hold else self.client.disable_object_legal_hold
            with asking():
                change(self.config.bucket, key, version.id)
            version = replace(version, hold=hold)
        self._remember(sha256, version)
        return True

    def listing(self, after: str = "") -> Iterator[Listed]:
        """As ObjectStore.listing; one entry a name, delete markers and newer versions told by `covered`."""
        bucket = self.config.bucket
        for shard in (f"{number:02x}" for number in range(256)):
            if shard < after[:2]:
                continue
            with asking():
                prefix = f"{PREFIX}{shard}/"
                rows = list(self.client.list_objects(bucket, prefix, recursive=True, include_version=True))
            yield from (item for item in by_name(rows) if item.name > after)

    def probe(self) -> Worm:
        """As ObjectStore.probe."""
        return probe(self)

    def close(self) -> None:
        """Close the connections."""
        self.client._http.clear()


def _digests(data: bytes) -> Stored:
    sm3 = Hash(SM3())
    sm3.update(data)
    return Stored(hashlib.sha256(data).hexdigest(), sm3.finalize().hex(), len(data), zlib.crc32(data))


def _not_what_was_sent() -> Problem:
    return Problem(
        "evidence.store_mismatch",
        503,
        zh="写入存储后回读核对不一致,本次写入不予确认",
        en="what the store gives back is not what was sent; this write is not acknowledged",
        todo_zh="请通知系统管理员检查存储;排除故障后重试即可",
        todo_en="have the store looked into; then try again",
    )


def _unlocked() -> Problem:
    return Problem(
        "evidence.store_unlocked",
        503,
        zh="存储未按要求锁定对象,本次操作不予确认",
        en="the store took the lock and does not show it; this is not acknowledged",
        todo_zh="请通知系统管理员检查存储桶的对象锁定功能",
        todo_en="have the bucket's object lock looked into",
    )
