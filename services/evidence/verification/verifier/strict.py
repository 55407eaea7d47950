"""Reading what an adversary may have written: JSON, base64 and times in one permitted form only."""

import base64
import binascii
import datetime as dt
import json
import math
import re
from decimal import Decimal
from typing import Any

UTC_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z", re.ASCII)
"""The only permitted form of a time: RFC 3339 in UTC, at most microseconds."""


class Failed(Exception):
    """A check did not pass; the message says why."""


class Unreadable(Exception):
    """There is nothing to check: no package, or no usable trust file. `zh` and `en` say why."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


def require(condition: object, reason: str) -> None:
    """Raise Failed with `reason` unless the condition holds."""
    if not condition:
        raise Failed(reason)


def strict_json(data: bytes) -> Any:
    """Parse JSON, refusing duplicate keys, NaN and anything that is not its own RFC 8785 form."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        require(len({key for key, _ in pairs}) == len(pairs), "duplicate JSON key")
        return dict(pairs)

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=unique)
        same = canonical(value) == data
    except (ValueError, RecursionError) as error:
        raise Failed(f"not JSON: {error}") from error
    require(same, "not in canonical form (RFC 8785)")
    return value


def canonical(value: Any) -> bytes:
    """RFC 8785 form of a JSON value."""
    return (_usual(value) if _is_usual(value) else _write(value)).encode("utf-8")


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same (Python's == takes true for 1)."""
    return canonical(one) == canonical(other)


_plain = json.JSONEncoder(ensure_ascii=False).encode
# Python's own encoder writes the very same, several times as fast, where `_is_usual` says so.
_usual = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def _is_usual(value: Any) -> bool:
    """Whether it has no integer out of range, no number JavaScript writes otherwise, no name beyond ASCII."""
    kind = type(value)
    if kind is dict:
        return "".join(value).isascii() and all(map(_is_usual, value.values()))
    if kind is list:
        return all(map(_is_usual, value))
    if kind is float:
        return 1e-4 <= abs(value) < 1e16 and not value.is_integer()
    return kind is str or value is None or kind is bool or (kind is int and abs(value) < 1 << 53)


def _write(value: Any) -> str:
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, dict):
        keys = sorted(value) if "".join(value).isascii() else sorted(value, key=_utf16)
        return "{" + ",".join([f"{_plain(key)}:{_write(value[key])}" for key in keys]) + "}"
    if isinstance(value, list):
        return "[" + ",".join([_write(item) for item in value]) + "]"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int) and abs(value) >= 1 << 53:
        raise ValueError("integer out of range")
    return _plain(value)


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    """ECMAScript's Number-to-string, which RFC 8785 §3.2.2.3 asks for."""
    if not math.isfinite(value):
        raise ValueError("not a JSON number")
    _, parts, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    digits, prefix = "".join(map(str, parts)), "-" if value < 0 else ""
    point = len(digits) + int(exponent)
    if value == 0:
        return "0"
    if len(digits) <= point <= 21:
        return prefix + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{prefix}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{prefix}0.{'0' * -point}{digits}"
    fraction = "." + digits[1:] if len(digits) > 1 else ""
    return f"{prefix}{digits[0]}{fraction}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def unbase64(text: Any, what: str) -> bytes:
    """Decode base64 that is in its one canonical form."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise Failed(f"{what}: not base64") from error
    require(base64.b64encode(data).decode() == text, f"{what}: base64 not in canonical form")
    return data


def moment(text: Any) -> dt.datetime:
    """An RFC 3339 time in UTC."""
    require(isinstance(text, str) and UTC_TIME.fullmatch(text), f"not a UTC time: {text!r}")
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise Failed(f"not a time: {text!r}") from error
