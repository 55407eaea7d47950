"""History on the wire."""

from typing import Any

from pydantic import BaseModel

from services.common.wire import Instant


class OriginOut(BaseModel):
    """Where the present value of a field comes from, since when, and when that source last confirmed it."""

    field: str
    field_zh: str
    field_en: str
    source: str
    import_id: str | None
    first_seen: Instant
    last_seen: Instant


class ChangeOut(BaseModel):
    """One change of one value; personal values are masked. `unreadable`: the sealed values do not open."""

    id: int
    field: str
    field_zh: str
    field_en: str
    personal: bool
    unreadable: bool
    old: Any
    new: Any
    source: str
    import_id: str | None
    at: Instant
    by: str
    by_name: str
    org_code: str
