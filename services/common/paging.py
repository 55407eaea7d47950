"""Keyset paging: an opaque cursor holds the sort values of the last row seen."""

import base64
import binascii
import json
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from services.common.problems import Problem

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list. `total` may be left out, or be capped and say so."""

    items: list[T]
    next_cursor: str | None = None
    total: int | None = None
    total_capped: bool = False


def encode_cursor(values: list[Any]) -> str:
    """A cursor for the row with these sort values (JSON scalars)."""
    return base64.urlsafe_b64encode(json.dumps(values, default=str).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> list[Any]:
    """The sort values in a cursor. Raises Problem 422 `paging.cursor_invalid`."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise invalid_cursor() from error
    if (
        not isinstance(values, list)
        or not values
        or not all(isinstance(v, str | int | float) for v in values)
    ):
        raise invalid_cursor()
    return values


def invalid_cursor() -> Problem:
    """422 for a cursor that was not made here."""
    return Problem(
        "paging.cursor_invalid",
        422,
        zh="翻页标记无效",
        en="the paging cursor is not valid",
        todo_zh="请从第一页重新查询",
        todo_en="start again from the first page",
    )
