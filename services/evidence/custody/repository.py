"""SQL of custody events."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

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


async def last_document(session: AsyncSession, evidence_id: str) -> bytes | None:
    """The newest event's document."""
    query = (
        select(CustodyEvent.document)
        .where(CustodyEvent.evidence_id == evidence_id)
        .order_by(CustodyEvent.seq.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


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


_ADD = text(
    "INSERT INTO custody_events"
    " (id, evidence_id, seq, event, actor, org, org_name, via, reason, about, client_ip, at, document)"
    " SELECT id, :evidence_id, seq, event, CAST(actor AS jsonb), org, org_name, via, reason,"
    " CAST(about AS jsonb), client_ip, :at, document"
    " FROM unnest(CAST(:ids AS text[]), CAST(:seqs AS int[]), CAST(:events AS text[]),"
    " CAST(:actors AS text[]), CAST(:orgs AS text[]), CAST(:org_names AS text[]), CAST(:vias AS text[]),"
    " CAST(:reasons AS text[]), CAST(:abouts AS text[]), CAST(:ips AS text[]), CAST(:documents AS bytea[]))"
    " AS given(id, seq, event, actor, org, org_name, via, reason, about, client_ip, document)"
)


async def add(session: AsyncSession, evidence_id: str, at: datetime, events: list[NewEvent]) -> None:
    """Keep events of one item and moment."""
    happened = [event.happened for event in events]
    actors = [one.actor for one in happened]
    values = {
        "evidence_id": evidence_id,
        "at": at,
        "ids": [event.id for event in events],
        "seqs": [event.seq for event in events],
        "events": [one.event for one in happened],
        "actors": [json.dumps({"sub": a.sub, "name": a.name}, ensure_ascii=False) for a in actors],
        "orgs": [a.org for a in actors],
        "org_names": [a.org_name for a in actors],
        "vias": [a.via for a in actors],
        "reasons": [one.reason for one in happened],
        "abouts": [json.dumps(dict(one.about), ensure_ascii=False) for one in happened],
        "ips": [a.client_ip for a in actors],
        "documents": [event.document for event in events],
    }
    await session.execute(_ADD, values)


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
