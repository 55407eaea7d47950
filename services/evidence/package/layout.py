"""The package's byte layout: one permitted ZIP form (stored, fixed order, times and flags; no extra fields).

A package is not stored as a file of its own: its artefacts are already objects in the store, so what is kept
is the *layout*, a list of literal bytes and objects whose concatenation is the package. Decision: each byte
is stored (and later retained) once; the same objects serve the screens; sealing does not copy large files.
The custodian keeps the complete file.
"""

import base64
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass

LIMIT_BYTES = 0xFFFF_FFFF
_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_VERSION = 10
_DATE_1980_01_01 = 0x21


class PackageTooLargeError(ValueError):
    """A package must stay below 4 GiB and 65,535 files: the permitted layout has no ZIP64 records."""


@dataclass(frozen=True)
class Part:
    """A piece of the package: literal bytes, or an object of the store by its SHA-256."""

    size: int
    data: bytes | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Member:
    """A file of the package. `data` for small files made here, otherwise the object `sha256`."""

    path: str
    size: int
    crc32: int
    sha256: str
    data: bytes | None = None


def _headers(member: Member, offset: int) -> tuple[bytes, bytes]:
    name = member.path.encode("ascii")
    common = (0, 0, 0, _DATE_1980_01_01, member.crc32, member.size, member.size, len(name), 0)
    local = _LOCAL.pack(0x04034B50, _VERSION, *common) + name
    central = _CENTRAL.pack(0x02014B50, _VERSION, _VERSION, *common, 0, 0, 0, 0, offset) + name
    return local, central


def arrange(members: list[Member]) -> list[Part]:
    """The parts of the ZIP with these files, in the given order. Raises PackageTooLargeError."""
    parts: list[Part] = []
    central, offset = b"", 0
    for member in members:
        if offset + member.size > LIMIT_BYTES or len(members) > 0xFFFE:
            raise PackageTooLargeError(member.path)
        local, entry = _headers(member, offset)
        central += entry
        parts.append(Part(len(local), data=local))
        parts.append(Part(member.size, data=member.data, sha256=None if member.data else member.sha256))
        offset += len(local) + member.size
    if offset + len(central) > LIMIT_BYTES:
        raise PackageTooLargeError("central directory")
    end = _END.pack(0x06054B50, 0, 0, len(members), len(members), len(central), offset, 0)
    parts.append(Part(len(central) + len(end), data=central + end))
    return _merge(parts)


def begin(members: list[Member]) -> list[Part]:
    """The first parts of every package whose first files are these, before its other files are known."""
    parts: list[Part] = []
    offset = 0
    for member in members:
        local, _ = _headers(member, offset)
        parts += [Part(len(local), data=local), Part(member.size, sha256=member.sha256)]
        offset += len(local) + member.size
    return _merge(parts)


def rest(parts: list[Part], begun: int) -> list[Part]:
    """What follows the first `begun` bytes, which end inside or after literal bytes. Raises ValueError."""
    left: list[Part] = []
    for part in parts:
        skipped = min(begun, part.size)
        begun -= skipped
        if skipped and part.data is not None:
            part = Part(part.size - skipped, data=part.data[skipped:])  # noqa: PLW2901 - its unread end
        elif 0 < skipped < part.size:
            raise ValueError("an object cannot be cut")
        elif skipped:
            continue
        left.append(part)
    return [part for part in left if part.size]


def _merge(parts: Iterable[Part]) -> list[Part]:
    """Neighbouring literal parts as one; empty objects vanish."""
    merged: list[Part] = []
    for part in parts:
        if part.size == 0:
            continue
        last = merged[-1] if merged else None
        if part.data is not None and last and last.data is not None:
            joined = last.data + part.data
            merged[-1] = Part(len(joined), data=joined)
        else:
            merged.append(part)
    return merged


def total_bytes(parts: list[Part]) -> int:
    """Length of the package in bytes."""
    return sum(part.size for part in parts)


def dump_layout(parts: list[Part]) -> bytes:
    """The layout as JSON, as it is kept in the store."""
    items = [
        {"bytes": part.size, "sha256": part.sha256}
        if part.data is None
        else {"base64": base64.b64encode(part.data).decode()}
        for part in parts
    ]
    return json.dumps({"schema": "urn:wangjian:layout:v1", "parts": items}, separators=(",", ":")).encode()


def load_layout(data: bytes) -> list[Part]:
    """The parts in a stored layout. Raises ValueError."""
    document = json.loads(data)
    if document.get("schema") != "urn:wangjian:layout:v1":
        raise ValueError("not a package layout")
    parts = []
    for item in document["parts"]:
        if "base64" in item:
            literal = base64.b64decode(item["base64"], validate=True)
            parts.append(Part(len(literal), data=literal))
        else:
            parts.append(Part(int(item["bytes"]), sha256=str(item["sha256"])))
    return parts
