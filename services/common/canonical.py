"""Canonical JSON (RFC 8785): one value, one sequence of bytes."""

import json
from typing import Any

import rfc8785

_EXACT = 2**53 - 1


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value. Raises ValueError for what has none (NaN, too large integers).

    Where JSON's own encoder gives the very same bytes (no fractions, ASCII names: nearly all we sign) it is
    used, because the library walks the value in Python and takes ten times as long.
    """
    if _plain(value):
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode("utf-8")
    return bytes(rfc8785.dumps(value))


def _plain(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_EXACT <= value <= _EXACT)
    if kind is dict:
        return all(type(name) is str and name.isascii() and _plain(item) for name, item in value.items())
    return (kind is list or kind is tuple) and all(map(_plain, value))
