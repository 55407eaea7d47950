"""Custody as the screens see it."""

from pydantic import BaseModel


class CustodyEventOut(BaseModel):
    """One event; `log_index` is its leaf in the transparency log."""

    seq: int
    event: str
    zh: str
    en: str
    actor: dict[str, str]
    org: str
    at: str
    reason: str
    client_ip: str
    log_index: int | None


class CustodyOut(BaseModel):
    """An item's chain of custody."""

    events: list[CustodyEventOut]
