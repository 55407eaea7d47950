"""Recording custody events: in the transaction of what happened, bound by the log soon after."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import rfc3339, utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.evidence.custody import repository
from services.evidence.custody.rules import (
    LABELS,
    SYSTEM,
    VIEW_WINDOW,
    Actor,
    NewEvent,
    document,
    log_entry,
    log_ref,
)
from services.evidence.custody.schemas import CustodyEventOut
from services.evidence.log import repository as log_repository


def actor_of(claims: Claims) -> Actor:
    """The caller as an actor."""
    return Actor(claims.sub, claims.name, claims.org, claims.client_ip)


@dataclass(frozen=True)
class Happened:
    """An event to be recorded."""

    event: str
    actor: Actor = SYSTEM
    reason: str = ""


async def record(session: AsyncSession, evidence_id: str, *events: Happened) -> None:
    """Add events to an item's custody and queue their log entries. Raises LookupError without item."""
    first = await repository.next_seq(session, evidence_id, len(events))
    if first is None:
        raise LookupError(evidence_id)
    await add(session, evidence_id, first, events)


async def add(session: AsyncSession, evidence_id: str, first: int, events: Sequence[Happened]) -> None:
    """The same with the first event's number already taken, the item being held by this transaction."""
    previous = await repository.last_document(session, evidence_id) if first > 1 else None
    at = utc_now()
    rows: list[NewEvent] = []
    for seq, item in enumerate(events, first):
        link = hashlib.sha256(previous).hexdigest() if previous else ""
        previous = document(evidence_id, seq, item.event, item.actor, item.reason, at, link)
        rows.append(NewEvent(new_id(), seq, item.event, item.actor, item.reason, previous))
    await repository.add(session, evidence_id, at, rows)
    await log_repository.enqueue(session, {log_ref(row.id): log_entry(row.document) for row in rows})


async def record_view(session: AsyncSession, evidence_id: str, claims: Claims) -> bool:
    """Record that a person saw the item, unless he did within the last minute; gives whether it was new."""
    since = utc_now() - VIEW_WINDOW
    if await repository.viewed_since(session, evidence_id, claims.sub, since):
        return False
    # A screen asks for many artefacts at once: with the item locked only the first of them counts.
    await repository.lock_item(session, evidence_id)
    if await repository.viewed_since(session, evidence_id, claims.sub, since):
        return False
    await record(session, evidence_id, Happened("viewed", actor_of(claims)))
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
