"""What a sweep decides without looking anything up (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

# An object is named in the store a moment before the database knows of it: younger ones are left out.
GRACE = timedelta(hours=1)
# A sweep whose runner has not said anything for so long is taken up by another.
LEASE = timedelta(seconds=60)

KINDS = ("missing", "damaged", "covered", "unreferenced")
"""What can be found: not there; other bytes; written over or marked deleted (S3); known to no item."""


@dataclass(frozen=True)
class Expected:
    """An object that sealed items refer to. sm3, bytes: None where only the name says what it must be."""

    sha256: str
    sm3: str | None
    bytes: int | None
    evidence_ids: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be."""

    name: str
    kind: str
    detail: str
    evidence_ids: tuple[str, ...] = ()


def judged(expected: Expected, sha256: str, sm3: str, size: int) -> Finding | None:
    """What was read compared with what must be there; None when it is right."""
    wrong = []
    if sha256 != expected.sha256:
        wrong.append(f"SHA-256 {sha256}")
    if expected.sm3 is not None and sm3 != expected.sm3:
        wrong.append(f"SM3 {sm3}")
    if expected.bytes is not None and size != expected.bytes:
        wrong.append(f"{size} of {expected.bytes} bytes")
    if not wrong:
        return None
    return Finding(expected.sha256, "damaged", ", ".join(wrong), expected.evidence_ids)


def overdue(done_bytes: int, seconds: float, bytes_per_second: float) -> float:
    """Seconds to wait so that `done_bytes` in `seconds` is no faster than the limit."""
    return max(0.0, done_bytes / bytes_per_second - seconds)


def is_old(modified: datetime, now: datetime) -> bool:
    """Whether an object is old enough that the database must know of it."""
    return now - modified > GRACE


def verdict(state: str, counts: Mapping[str, int]) -> str:
    """`clean`, `findings`, or the sweep's state while it is not done."""
    if state != "done":
        return state
    return "findings" if any(counts.get(kind, 0) for kind in KINDS) else "clean"
