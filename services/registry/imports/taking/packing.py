"""Rows in PostgreSQL's binary COPY form (PostgreSQL documentation, "COPY", section "Binary Format").

Built in the preparing processes, so that the writing one only hands bytes on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, lru_cache
from struct import Struct, pack
from typing import Final

import numpy as np

from services.registry.search.grams import Grams

HEAD: Final = b"PGCOPY\n\xff\r\n\0" + pack(">ii", 0, 0)
TAIL: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_INT4_OID: Final = 23
_LENGTH = Struct(">i").pack
_SHORT: Final = [_LENGTH(length) for length in range(512)]
_INT2 = Struct(">ih").pack
_INT4 = Struct(">ii").pack
_INT8 = Struct(">iq").pack
_ELEMENT: Final = np.dtype([("length", ">i4"), ("value", ">i4")])
EMPTY_ARRAY: Final = pack(">iiii", 12, 0, 0, _INT4_OID)


def text(value: str | None) -> bytes:
    """text, varchar."""
    if value is None:
        return NULL
    raw = value.encode()
    return (_SHORT[len(raw)] if len(raw) < len(_SHORT) else _LENGTH(len(raw))) + raw


@lru_cache(maxsize=1 << 12)
def word(value: str | None) -> bytes:
    """text of which a list has few different ones."""
    return text(value)


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


def int4_arrays(grams: Grams) -> list[bytes]:
    """integer[], one for each text."""
    pairs = np.empty(len(grams.numbers), _ELEMENT)
    pairs["length"], pairs["value"] = 4, grams.numbers
    flat, ends = pairs.tobytes(), grams.ends.tolist()
    return [
        _array_head(end - begin) + flat[8 * begin : 8 * end] if end > begin else EMPTY_ARRAY
        for begin, end in zip([0, *ends], ends, strict=False)
    ]


@cache
def _array_head(count: int) -> bytes:
    return pack(">iiiiii", 20 + 8 * count, 1, 0, _INT4_OID, count, 1)


def fields(count: int) -> bytes:
    """What every row begins with: how many fields follow."""
    return pack(">h", count)
