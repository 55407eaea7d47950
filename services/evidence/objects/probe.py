"""Does the store really refuse to forget? Found out by trying, at every start.

A tiny object with a short COMPLIANCE retention is put; then its version is deleted, deleted with the header
that bypasses governance, its retention shortened, and its mode lowered. What counts is not what the store
answers but what is there afterwards.
"""

import contextlib
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.retention import Retention

from services.common.ids import new_id
from services.evidence.objects.facts import Worm
from services.evidence.objects.s3_config import S3Config
from services.evidence.objects.s3_errors import asking
from services.evidence.objects.s3_versions import Version

log = structlog.get_logger()

PREFIX = "probe/"
# Long enough for a store whose clock is a few minutes ahead; short, because nothing can remove it before.
_LOCKED_FOR = timedelta(minutes=10)


class Locking(Protocol):
    """What is asked of the store that is tried: S3Store."""

    client: Minio
    config: S3Config

    @property
    def locks(self) -> bool:
        """Whether the bucket has object lock at all."""
        ...

    def prepare(self) -> None:
        """See that the bucket is there."""
        ...

    def look(self, key: str, version: str) -> Version:
        """A version as the store describes it now. Raises FileNotFoundError."""
        ...


def probe(store: Locking) -> Worm:
    """What the store does with a locked object. Raises Problem 503 when it cannot be asked."""
    store.prepare()
    faults = _bucket_faults(store)
    if store.locks:
        _clear_old(store)
        faults += _object_faults(store)
    if faults:
        log.error("store.not_worm", bucket=store.config.bucket, faults=faults)
        return Worm("NOT enforced", tuple(faults))
    log.info("store.worm_enforced", bucket=store.config.bucket)
    return Worm("enforced")


def _bucket_faults(store: Locking) -> list[str]:
    with asking():
        versioning = store.client.get_bucket_versioning(store.config.bucket).status
    faults = [] if versioning == ENABLED else ["versioning is off"]
    return faults if store.locks else [*faults, "the bucket has no object lock"]


def _object_faults(store: Locking) -> list[str]:
    key, until = PREFIX + new_id(), (datetime.now(UTC) + _LOCKED_FOR).replace(microsecond=0)
    with asking():
        lock = Retention(COMPLIANCE, until)
        put = store.client.put_object(store.config.bucket, key, io.BytesIO(b"probe"), 5, retention=lock)
    version, faults = str(put.version_id or ""), list[str]()
    for fault, attempt in _attacks(store, key, version, until).items():
        # A refusal is what we hope for; whatever the answer was, the next lines look at what is there.
        with asking(), contextlib.suppress(S3Error):
            attempt()
        try:
            shown = store.look(key, version)
        except FileNotFoundError:
            return [*faults, fault]
        if shown.until is None or shown.until < until:
            faults.append(fault)
    return faults


def _attacks(store: Locking, key: str, version: str, until: datetime) -> dict[str, Callable[[], object]]:
    """What must not succeed, by what it means when it does."""
    client, bucket = store.client, store.config.bucket
    sooner = until - _LOCKED_FOR / 2
    doomed = [DeleteObject(key, version)]
    return {
        "retention was shortened": lambda: client.set_object_retention(
            bucket, key, Retention(COMPLIANCE, sooner), version
        ),
        "COMPLIANCE was lowered to GOVERNANCE": lambda: client.set_object_retention(
            bucket, key, Retention(GOVERNANCE, until), version
        ),
        "a locked version was deleted": lambda: client.remove_object(bucket, key, version),
        "a locked version was deleted with the governance bypass": lambda: list(
            client.remove_objects(bucket, doomed, bypass_governance_mode=True)
        ),
    }


def _clear_old(store: Locking) -> None:
    """Remove probes of earlier starts whose locks have run out."""
    client, bucket = store.client, store.config.bucket
    with asking():
        rows = list(client.list_objects(bucket, PREFIX, recursive=True, include_version=True))
        for row in rows:
            if row.last_modified and row.last_modified < datetime.now(UTC) - 2 * _LOCKED_FOR:
                with contextlib.suppress(S3Error):
                    client.remove_object(bucket, str(row.object_name), row.version_id)
