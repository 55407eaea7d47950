"""SQL of custody events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import Transaction, run
from services.evidence.custody.models import CustodyEvent
from services.evidence.custody.rules import NewEvent
from services.evidence.items.models import EvidenceItem
from services.evidence.log.models import LogEntry


async def next_seq(session: AsyncSession, evidence_id: str, count: int) -> int | None:
    """The first of `count` event numbers of an item, which stays locked until the end; None without item."""
    query = (
        update(EvidenceItem)
        .where(EvidenceItem.id == evidence_id)
        .values(custody_seq=EvidenceItem.custody_seq + count)
        .returning(EvidenceItem.custody_seq)
        .execution_options(synchronize_session=False)
    )
    last = (await session.execute(query)).scalar_one_or_none()
    return None if last is None else last - count + 1


async def lock_item(session: AsyncSession, evidence_id: str) -> bool:
    """Hold the item until the transaction ends; False when there is none."""
    query = select(EvidenceItem.id).where(EvidenceItem.id == evidence_id).with_for_update()
    return (await session.execute(query)).first() is not None


async def last_document(session: Transaction, evidence_id: str) -> bytes | None:
    """The newest event's document."""
    query = (
        "SELECT document FROM custody_events WHERE evidence_id = %(evidence_id)s ORDER BY seq DESC LIMIT 1"
    )
    found = await run(session, query, {"evidence_id": evidence_id})
    return bytes(found[0][0]) if found else None


async def happened_since(
    session: AsyncSession, evidence_id: str, event: str, sub: str, about: Mapping[str, str], since: datetime
) -> bool:
    """Whether this person's event about the same thing is on record since that time."""
    query = (
        select(CustodyEvent.id)
        .where(
            CustodyEvent.evidence_id == evidence_id,
            CustodyEvent.event == event,
            CustodyEvent.at >= since,
            CustodyEvent.actor["sub"].astext == sub,
            CustodyEvent.about == dict(about),
        )
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none() is not None


ADD = (
    "INSERT INTO custody_events"
    " (id, evidence_id, seq, event, actor, org, org_name, via, reason, about, client_ip, at, document)"
    " SELECT given.id, %(evidence_id)s, seq, event, actor, org, org_name, via, reason, about, client_ip, at,"
    " convert_to(document, 'UTF8') FROM jsonb_to_recordset(%(events)s) AS given"
    " (id text, seq int, event text, actor jsonb, org text, org_name text, via text, reason text,"
    " about jsonb, client_ip text, at timestamptz, document text)"
)
"""Keeps events, given as from `rows_of`, of one item."""


async def add(session: Transaction, evidence_id: str, events: list[NewEvent]) -> None:
    """Keep events of one item."""
    await run(session, ADD, {"evidence_id": evidence_id, "events": rows_of(events)})


def rows_of(events: Sequence[NewEvent]) -> Jsonb:
    """Events as the statement takes them."""
    return Jsonb([_row(event) for event in events])


def _row(event: NewEvent) -> dict[str, Any]:
    happened, actor = event.happened, event.happened.actor
    return {
        "id": event.id,
        "seq": event.seq,
        "event": happened.event,
        "actor": {"sub": actor.sub, "name": actor.name},
        "org": actor.org,
        "org_name": actor.org_name,
        "via": actor.via,
        "reason": happened.reason,
        "about": dict(happened.about),
        "client_ip": actor.client_ip,
        "at": event.at.isoformat(),
        "document": event.document.decode(),
    }


async def of_item(session: AsyncSession, evidence_id: str) -> list[CustodyEvent]:
    """All events of an item in order."""
    query = select(CustodyEvent).where(CustodyEvent.evidence_id == evidence_id).order_by(CustodyEvent.seq)
    return list((await session.execute(query)).scalars())


async def log_entries(session: AsyncSession, refs: Sequence[str]) -> dict[str, bytes]:
    """The stored log entries of these refs, whether they wait or are leaves."""
    query = select(LogEntry.ref, LogEntry.entry).where(LogEntry.ref.in_(refs))
    return {row.ref: row.entry for row in await session.execute(query)}


async def expected_events(session: AsyncSession, evidence_id: str) -> int:
    """How many events the item has given numbers to."""
    query = select(EvidenceItem.custody_seq).where(EvidenceItem.id == evidence_id)
    return int((await session.execute(query)).scalar_one())
