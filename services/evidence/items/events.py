"""Facts of other services that concern evidence."""

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.outbox import Event, subscribe
from services.evidence.custody import service as custody
from services.evidence.custody.rules import Actor
from services.evidence.items import repository

log = structlog.get_logger()


@subscribe("evidence.granted")
async def granted(session: AsyncSession, event: Event) -> None:
    """Casework opened an item to another organisation: {evidence_id, org_code, reason}."""
    payload = event.payload
    reason = str(payload.get("reason", ""))
    if await repository.grant(session, payload["evidence_id"], payload["org_code"], reason):
        await _record(session, event, "granted", f"{payload['org_code']} {reason}".strip())


@subscribe("evidence.linked")
async def linked(session: AsyncSession, event: Event) -> None:
    """Casework attached an item to a clue or case: {evidence_id, reason}."""
    await _record(session, event, "linked", str(event.payload.get("reason", "")))


async def _record(session: AsyncSession, event: Event, happened: str, reason: str) -> None:
    actor = Actor(f"service:{event.source}", event.source)
    try:
        await custody.record(session, event.payload["evidence_id"], custody.Happened(happened, actor, reason))
    except LookupError:
        # Nothing of ours: refusing it would hold up every later fact from that service.
        log.warning("evidence.event_without_item", event_id=event.id, topic=event.topic)
