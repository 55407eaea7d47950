"""SQL of custody events."""

import json
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.evidence.custody.models import CustodyEvent
from services.evidence.custody.rules import NewEvent
from services.evidence.items.models import EvidenceItem


async def next_seq(session: AsyncSession, evidence_id: str, count: int) -> int | None:
    """The first of `count` event numbers of an item, which stays locked until the end; None without item."""
    query = (
        update(EvidenceItem)
        .where(EvidenceItem.id == evidence_id)
        .values(custody_seq=EvidenceItem.custody_seq + count)
        .returning(EvidenceItem.custody_seq)
    )
    last = (await session.execute(query)).scalar_one_or_none()
    return None if last is None else last - count + 1


async def lock_item(session: AsyncSession, evidence_id: str) -> None:
    """Hold the item until the transaction ends."""
    await session.execute(select(EvidenceItem.id).where(EvidenceItem.id == evidence_id).with_for_update())


async def last_document(session: AsyncSession, evidence_id: str) -> bytes | None:
    """The newest event's document."""
    query = (
        select(CustodyEvent.document)
        .where(CustodyEvent.evidence_id == evidence_id)
        .order_by(CustodyEvent.seq.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def viewed_since(session: AsyncSession, evidence_id: str, sub: str, since: datetime) -> bool:
    """Whether this person has a view of the item on record since that time."""
    query = (
        select(CustodyEvent.id)
        .where(
            CustodyEvent.evidence_id == evidence_id,
            CustodyEvent.event == "viewed",
            CustodyEvent.at >= since,
            CustodyEvent.actor["sub"].astext == sub,
        )
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none() is not None


_ADD = text(
    "INSERT INTO custody_events (id, evidence_id, seq, event, actor, org, reason, client_ip, at, document)"
    " SELECT id, :evidence_id, seq, event, CAST(actor AS jsonb), org, reason, client_ip, :at, document"
    " FROM unnest(CAST(:ids AS text[]), CAST(:seqs AS int[]), CAST(:events AS text[]),"
    " CAST(:actors AS text[]), CAST(:orgs AS text[]), CAST(:reasons AS text[]), CAST(:ips AS text[]),"
    " CAST(:documents AS bytea[]))"
    " AS given(id, seq, event, actor, org, reason, client_ip, document)"
)


async def add(session: AsyncSession, evidence_id: str, at: datetime, events: list[NewEvent]) -> None:
    """Keep events of one item and moment."""
    actors = [json.dumps({"sub": e.actor.sub, "name": e.actor.name}, ensure_ascii=False) for e in events]
    values = {
        "evidence_id": evidence_id,
        "at": at,
        "ids": [e.id for e in events],
        "seqs": [e.seq for e in events],
        "events": [e.event for e in events],
        "actors": actors,
        "orgs": [e.actor.org for e in events],
        "reasons": [e.reason for e in events],
        "ips": [e.actor.client_ip for e in events],
        "documents": [e.document for e in events],
    }
    await session.execute(_ADD, values)


async def of_item(session: AsyncSession, evidence_id: str) -> list[CustodyEvent]:
    """All events of an item in order."""
    query = select(CustodyEvent).where(CustodyEvent.evidence_id == evidence_id).order_by(CustodyEvent.seq)
    return list((await session.execute(query)).scalars())
