"""Versions of objects as an S3 server describes them (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from minio.commonconfig import COMPLIANCE
from minio.datatypes import Object

from services.evidence.objects.facts import Listed


@dataclass(frozen=True)
class Version:
    """One version of an object, as the store itself describes it."""

    id: str
    bytes: int
    until: datetime | None
    hold: bool


def described(headers: Mapping[str, str], size: int) -> Version:
    """A version from the headers of its GET or HEAD."""
    until = headers.get("x-amz-object-lock-retain-until-date")
    mode = headers.get("x-amz-object-lock-mode")
    return Version(
        id=headers.get("x-amz-version-id") or "",
        bytes=size,
        # Ceph writes nine digits of a second, which Python 3.11 reads (and cuts to six).
        until=datetime.fromisoformat(until) if until and mode == COMPLIANCE else None,
        hold=headers.get("x-amz-object-lock-legal-hold") == "ON",
    )


def whole_seconds(moment: datetime) -> datetime:
    """Rounded up, in UTC: a lock that ends a fraction of a second early would have been shortened."""
    whole = moment.astimezone(UTC).replace(microsecond=0)
    return whole + timedelta(seconds=1) if moment.microsecond else whole


def by_name(rows: Iterable[Object]) -> list[Listed]:
    """Versions and delete markers of a listing as one entry a name, in order of name."""
    versions: dict[str, list[Object]] = {}
    for row in rows:
        versions.setdefault(str(row.object_name), []).append(row)
    listed = []
    for key in sorted(versions, key=lambda key: key.rpartition("/")[2]):
        kept = [row for row in versions[key] if not row.is_delete_marker]
        if not kept:
            continue
        oldest = min(kept, key=when)
        covered = len(versions[key]) > 1
        listed.append(Listed(key.rpartition("/")[2], int(oldest.size or 0), when(oldest), covered))
    return listed


def when(row: Object) -> datetime:
    """When a version was written; what the store does not date counts as new."""
    return row.last_modified or datetime.now(UTC)
