"""Identifiers."""

from ulid import ULID


def new_id() -> str:
    """A ULID: 26 characters of Crockford base 32 that sort by time of making."""
    return str(ULID())
