"""Rows in PostgreSQL's binary COPY form (PostgreSQL documentation, "COPY", section "Binary Format").

Built in the preparing processes, so that the writing one only hands bytes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from struct import Struct, pack
from typing import Final

HEAD: Final = b"PGCOPY\n\xff\r\n\0" + pack(">ii", 0, 0)
TAIL: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_INT4_OID: Final = 23
_LENGTH = Struct(">i").pack
_INT2 = Struct(">ih").pack
_INT4 = Struct(">ii").pack
_INT8 = Struct(">iq").pack
_EMPTY_ARRAY: Final = pack(">iiii", 12, 0, 0, _INT4_OID)


def text(value: str | None) -> bytes:
    """text, varchar."""
    if value is None:
        return NULL
    raw = value.encode()
    return _LENGTH(len(raw)) + raw


def raw(value: bytes | None) -> bytes:
    """bytea."""
    return NULL if value is None else _LENGTH(len(value)) + value


def json(value: str | None) -> bytes:
    """jsonb, from JSON text."""
    if value is None:
        return NULL
    encoded = value.encode()
    return _LENGTH(len(encoded) + 1) + b"\x01" + encoded


def int2(value: int) -> bytes:
    """smallint."""
    return _INT2(2, value)


def int4(value: int) -> bytes:
    """integer."""
    return _INT4(4, value)


def int8(value: int) -> bytes:
    """bigint."""
    return _INT8(8, value)


def instant(value: datetime) -> bytes:
    """timestamptz: microseconds since 2000-01-01 UTC."""
    since = value - _EPOCH
    return _INT8(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def int4s(values: Sequence[int]) -> bytes:
    """integer[]."""
    count = len(values)
    if not count:
        return _EMPTY_ARRAY
    pairs = [4] * (2 * count)
    pairs[1::2] = values
    return pack(f">iiiiii{2 * count}i", 20 + 8 * count, 1, 0, _INT4_OID, count, 1, *pairs)


def fields(count: int) -> bytes:
    """What every row begins with: how many fields follow."""
    return pack(">h", count)
