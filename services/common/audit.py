"""The audit record: who did what to which object, written in the transaction of the change itself."""

from typing import Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import rfc3339
from services.common.database import Session
from services.common.identity import Claims, require
from services.common.paging import Page, decode_cursor, encode_cursor

_INSERT = text(
    "INSERT INTO audit (actor, actor_name, org_code, region_code, roles, event, object_type, object_id,"
    " result, before, after, request_id, client_ip) VALUES (:actor, :actor_name, :org, :region,"
    " to_jsonb(CAST(:roles AS text[])), :event, :object_type, :object_id, :result,"
    " CAST(:before AS jsonb), CAST(:after AS jsonb), :request_id, :client_ip)"
)


async def record(
    session: AsyncSession,
    claims: Claims,
    *,
    event: str,
    object_type: str,
    object_id: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    result: str = "success",
) -> None:
    """Add one audit row; when it cannot be written the change fails with it.

    event: `noun.verb`; before/after: the fields that changed, without secrets or personal data.
    """
    await session.execute(
        _INSERT,
        {
            "actor": claims.sub,
            "actor_name": claims.name,
            "org": claims.org,
            "region": claims.region,
            "roles": sorted(claims.roles),
            "event": event,
            "object_type": object_type,
            "object_id": object_id,
            "result": result,
            "before": _json(before),
            "after": _json(after),
            "request_id": claims.request_id,
            "client_ip": claims.client_ip,
        },
    )


def _json(value: dict[str, Any] | None) -> str | None:
    import json

    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


_SELECT = text(
    "SELECT seq, at, actor, actor_name, org_code, roles, event, object_type, object_id, result, before,"
    " after,"
    " request_id, client_ip FROM audit WHERE seq < :before_seq"
    " AND (CAST(:event AS text) IS NULL OR event LIKE :event || '%')"
    " AND (CAST(:actor AS text) IS NULL OR actor = :actor OR actor_name = :actor)"
    " ORDER BY seq DESC LIMIT :limit"
)

router = APIRouter(tags=["审计 audit"])


@router.get("/audit")
async def list_audit(
    session: Session,
    _: Claims = Depends(require("audit:read")),
    event: str | None = None,
    actor: str | None = None,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=200),
) -> Page[dict[str, Any]]:
    """Audit rows, newest first."""
    before_seq = decode_cursor(cursor)[0] if cursor else 2**62
    rows = (
        await session.execute(
            _SELECT, {"before_seq": before_seq, "event": event, "actor": actor, "limit": limit + 1}
        )
    ).mappings()
    items = [{**row, "at": rfc3339(row["at"])} for row in rows]
    more = len(items) > limit
    items = items[:limit]
    return Page(items=items, next_cursor=encode_cursor([items[-1]["seq"]]) if more else None)
