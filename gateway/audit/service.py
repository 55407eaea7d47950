"""Reads the audit record of the gateway and of every service as one list."""

import asyncio
from typing import Any, Final

import aiohttp
import structlog
import yarl
from pydantic import BaseModel, ValidationError

from gateway.audit.rules import START, Position, decode, encode, merge
from gateway.audit.schemas import AuditEntry, AuditPage
from gateway.routing.proxy import Proxy
from services.common.audit import list_audit
from services.common.database import Database
from services.common.identity import Claims
from services.common.paging import encode_cursor
from services.common.settings import SERVICES

log = structlog.get_logger()
OWN: Final = "gateway"
_PATIENCE: Final = 5.0


class _SourcePage(BaseModel):
    """What a service's own GET /audit answers."""

    items: list[dict[str, Any]]
    next_cursor: str | None


Found = tuple[list[AuditEntry], bool]


class AuditReader:
    """One list from five."""

    def __init__(self, database: Database, proxy: Proxy) -> None:
        self._database, self._proxy = database, proxy

    async def page(
        self,
        claims: Claims,
        *,
        event: str | None,
        actor: str | None,
        source: str | None,
        cursor: str | None,
        limit: int,
    ) -> AuditPage:
        """A page, newest first; a service that does not answer is named, not left out silently."""
        sources = [source] if source else [OWN, *SERVICES]
        before: Position = decode(cursor) if cursor else dict.fromkeys(sources, START)
        asked = [name for name in sources if name in before]
        answers = await asyncio.gather(
            *(self._from(name, claims, event, actor, before[name], limit) for name in asked)
        )
        found = {name: answer for name, answer in zip(asked, answers, strict=True) if answer is not None}
        missing = [name for name in asked if name not in found]
        more = {name for name, (_, further) in found.items() if further}
        merged = merge({name: rows for name, (rows, _) in found.items()}, before, limit, more)
        # A silent service keeps its place, so that its rows come when it answers again.
        position = merged.position | {name: before[name] for name in missing}
        return AuditPage(
            items=merged.items, next_cursor=encode(position) if merged.items else None, missing=missing
        )

    async def _from(
        self, name: str, claims: Claims, event: str | None, actor: str | None, before: int, limit: int
    ) -> Found | None:
        cursor = encode_cursor([before])
        if name == OWN:
            async with self._database.transaction() as session:
                own = await list_audit(session, claims, event=event, actor=actor, cursor=cursor, limit=limit)
            return [AuditEntry(source=OWN, **row) for row in own.items], own.next_cursor is not None
        query = {"cursor": cursor, "limit": str(limit), "event": event, "actor": actor}
        path = str(yarl.URL.build(path="/audit", query={key: value for key, value in query.items() if value}))
        headers = {"authorization": f"Bearer {claims.token}", "x-request-id": claims.request_id}
        try:
            status, body = await self._proxy.get_json(name, path, headers, _PATIENCE)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("audit.source_missing", source=name, error=type(error).__name__)
            return None
        if status != 200:
            log.warning("audit.source_refused", source=name, status=status)
            return None
        try:
            page = _SourcePage.model_validate(body)
        except ValidationError:
            log.error("audit.source_unreadable", source=name)
            return None
        return [AuditEntry(source=name, **row) for row in page.items], page.next_cursor is not None
