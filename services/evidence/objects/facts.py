"""What is known of an object, and of a store: plain facts, the same for disk and S3."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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
