"""Rows by region: a caller sees the subtree of his organisation's administrative division."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # processes that prepare rows of imports need the codes alone
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute

    from services.common.identity import Claims


def region_prefix(code: str) -> str:
    """The leading digits that all codes below a GB/T 2260 code share: 360000 → 36, 360100 → 3601.

    Raises ValueError for anything but six digits.
    """
    if len(code) != 6 or not code.isdigit():
        raise ValueError(f"not a six-digit division code: {code!r}")
    if code.endswith("0000"):
        return code[:2]
    return code[:4] if code.endswith("00") else code


def region_covers(outer: str, inner: str) -> bool:
    """Whether division `inner` lies in (or is) division `outer`."""
    return inner.startswith(region_prefix(outer))


def region_filter(column: InstrumentedAttribute[Any], claims: Claims) -> ColumnElement[bool]:
    """SQL condition: the row's region lies in the caller's subtree. For repositories only."""
    return column.startswith(region_prefix(claims.region), autoescape=True)
