"""Recording custody events: in the transaction of what happened, bound by the log soon after."""

import hashlib

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import rfc3339, utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.evidence.custody import repository
from services.evidence.custody.models import CustodyEvent
from services.evidence.custody.rules import LABELS, SYSTEM, VIEW_WINDOW, Actor, document, log_entry, log_ref
from services.evidence.custody.schemas import CustodyEventOut
from services.evidence.log import repository as log_repository


def actor_of(claims: Claims) -> Actor:
    """The caller as an actor."""
    return Actor(claims.sub, claims.name, claims.org, claims.client_ip)


async def record(
    session: AsyncSession, evidence_id: str, event: str, *, actor: Actor = SYSTEM, reason: str = ""
) -> None:
    """Add an event to an item's custody and queue its log entry. Raises LookupError without such an item."""
    seq = await repository.next_seq(session, evidence_id)
    if seq is None:
        raise LookupError(evidence_id)
    at, last = utc_now(), await repository.last_document(session, evidence_id)
    previous = hashlib.sha256(last).hexdigest() if last else ""
    body = document(evidence_id, seq, event, actor, reason, at, previous)
    row = CustodyEvent(
        id=new_id(),
        evidence_id=evidence_id,
        seq=seq,
        event=event,
        actor={"sub": actor.sub, "name": actor.name},
        org=actor.org,
        reason=reason,
        client_ip=actor.client_ip,
        at=at,
        document=body,
    )
    await repository.add(session, row)
    await log_repository.enqueue(session, log_ref(row.id), log_entry(body))


async def record_view(session: AsyncSession, evidence_id: str, claims: Claims) -> bool:
    """Record that a person saw the item, unless he did within the last minute; gives whether it was new."""
    since = utc_now() - VIEW_WINDOW
    if await repository.viewed_since(session, evidence_id, claims.sub, since):
        return False
    # A screen asks for many artefacts at once: with the item locked only the first of them counts.
    await repository.lock_item(session, evidence_id)
    if await repository.viewed_since(session, evidence_id, claims.sub, since):
        return False
    await record(session, evidence_id, "viewed", actor=actor_of(claims))
    return True


async def timeline(session: AsyncSession, evidence_id: str) -> list[CustodyEventOut]:
    """An item's events with their places in the log (null until the entry is written)."""
    events = await repository.of_item(session, evidence_id)
    indexes = await log_repository.indexes_of(session, [log_ref(event.id) for event in events])
    return [
        CustodyEventOut(
            seq=event.seq,
            event=event.event,
            zh=LABELS[event.event][0],
            en=LABELS[event.event][1],
            actor=event.actor,
            org=event.org,
            at=rfc3339(event.at),
            reason=event.reason,
            client_ip=event.client_ip,
            log_index=indexes.get(log_ref(event.id)),
        )
        for event in events
    ]
