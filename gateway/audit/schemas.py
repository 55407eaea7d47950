"""What crosses the wire about the audit record."""

from typing import Any

from pydantic import BaseModel


class AuditEntry(BaseModel):
    """Who did what to which object, from where, and how it ended."""

    source: str
    seq: int
    at: str
    actor: str
    actor_name: str
    org_code: str
    roles: list[str]
    event: str
    object_type: str
    object_id: str
    result: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str
    client_ip: str


class AuditPage(BaseModel):
    """One page over all services, newest first; `missing` names services that did not answer."""

    items: list[AuditEntry]
    next_cursor: str | None
    missing: list[str]
