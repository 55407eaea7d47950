"""Facts of other services that concern evidence."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.outbox import Event, subscribe
from services.evidence.custody import service as custody
from services.evidence.custody.rules import Actor
from services.evidence.items import repository


@subscribe("evidence.granted")
async def granted(session: AsyncSession, event: Event) -> None:
    """Casework opened an item to another organisation: {evidence_id, org_code, reason}."""
    payload = event.payload
    reason = str(payload.get("reason", ""))
    if await repository.grant(session, payload["evidence_id"], payload["org_code"], reason):
        actor = Actor(f"service:{event.source}", event.source)
        note = f"{payload['org_code']} {reason}".strip()
        await custody.record(session, payload["evidence_id"], custody.Happened("granted", actor, note))


@subscribe("evidence.linked")
async def linked(session: AsyncSession, event: Event) -> None:
    """Casework attached an item to a clue or case: {evidence_id, reason}."""
    payload = event.payload
    actor = Actor(f"service:{event.source}", event.source)
    reason = str(payload.get("reason", ""))
    await custody.record(session, payload["evidence_id"], custody.Happened("linked", actor, reason))
