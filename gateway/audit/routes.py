"""HTTP of the audit record."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request

from gateway.audit.schemas import AuditPage
from gateway.audit.service import AuditReader
from services.common.identity import Claims, require

router = APIRouter(prefix="/api", tags=["审计 audit"])

Source = Literal["gateway", "registry", "crawler", "evidence", "casework"]


@router.get("/audit")
async def list_audit(
    request: Request,
    claims: Annotated[Claims, Depends(require("audit:read"))],
    event: Annotated[
        str | None, Query(max_length=80, description="start of the event's name, e.g. `session.`")
    ] = None,
    actor: Annotated[str | None, Query(max_length=80, description="id or name of who acted")] = None,
    source: Annotated[Source | None, Query(description="one service only")] = None,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> AuditPage:
    """The audit record of the whole platform, newest first 审计记录 (审计管理员)."""
    reader: AuditReader = request.app.state.audit
    return await reader.page(claims, event=event, actor=actor, source=source, cursor=cursor, limit=limit)
