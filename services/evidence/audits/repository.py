"""SQL of audits; they see every region, because they look for what should be there."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload, undefer

from services.evidence.custody.models import CustodyEvent
from services.evidence.intakes.models import Artefact
from services.evidence.items.models import EvidenceItem, NumberCounter
from services.evidence.log.models import LogCheckpoint
from services.evidence.orders.models import Order

_ORPHANED = {
    "seal": "SELECT ref, entry FROM log_entries WHERE ref LIKE 'seal:%' AND NOT EXISTS"
    " (SELECT 1 FROM evidence_items WHERE id = substr(ref, 6)) ORDER BY ref LIMIT :most",
    "order": "SELECT ref, entry FROM log_entries WHERE ref LIKE 'order:%' AND NOT EXISTS"
    " (SELECT 1 FROM orders WHERE id = substr(ref, 7)) ORDER BY ref LIMIT :most",
    "custody": "SELECT ref, entry FROM log_entries WHERE ref LIKE 'custody:%' AND NOT EXISTS"
    " (SELECT 1 FROM custody_events WHERE id = substr(ref, 9)) ORDER BY ref LIMIT :most",
}


async def without_rows(session: AsyncSession, kind: str, most: int) -> list[tuple[str, bytes]]:
    """(ref, entry) of logged seals, orders or custody events whose own rows are gone."""
    rows = await session.execute(text(_ORPHANED[kind]), {"most": most})
    return [(ref, entry) for ref, entry in rows]


async def recovered(session: AsyncSession, most: int) -> list[bytes]:
    """Entries that were put back into the log without the name they once had."""
    rows = await session.execute(
        text("SELECT entry FROM log_entries WHERE ref LIKE 'recovered:%' ORDER BY ref LIMIT :most"),
        {"most": most},
    )
    return [entry for (entry,) in rows]


async def known_items(session: AsyncSession, ids: Sequence[str]) -> set[str]:
    """Those of these ids that are items."""
    return set((await session.execute(select(EvidenceItem.id).where(EvidenceItem.id.in_(ids)))).scalars())


async def count_items(session: AsyncSession) -> int:
    """How many items there are."""
    return int((await session.execute(select(func.count()).select_from(EvidenceItem))).scalar_one())


async def items_after(session: AsyncSession, after: str, limit: int) -> list[EvidenceItem]:
    """Items above an id, in order, with everything that belongs to their sealing."""
    query = (
        select(EvidenceItem)
        .where(EvidenceItem.id > after)
        .order_by(EvidenceItem.id)
        .limit(limit)
        .options(
            undefer(EvidenceItem.envelope),
            undefer(EvidenceItem.entry),
            undefer(EvidenceItem.proof),
            selectinload(EvidenceItem.stamps),
            selectinload(EvidenceItem.receipts),
        )
        .execution_options(populate_existing=True)
    )
    return list((await session.execute(query)).scalars())


async def order_of(session: AsyncSession, evidence_id: str) -> Order | None:
    """An item's order."""
    return await session.get(Order, evidence_id)


async def artefacts_of(session: AsyncSession, evidence_id: str) -> list[Artefact]:
    """An item's artefacts in order of their paths."""
    query = select(Artefact).where(Artefact.evidence_id == evidence_id).order_by(Artefact.path)
    return list((await session.execute(query)).scalars())


async def events_of(session: AsyncSession, evidence_id: str) -> list[CustodyEvent]:
    """An item's custody events in order."""
    query = select(CustodyEvent).where(CustodyEvent.evidence_id == evidence_id).order_by(CustodyEvent.seq)
    return list((await session.execute(query)).scalars())


async def numbers(session: AsyncSession) -> list[str]:
    """All evidence numbers."""
    query = select(EvidenceItem.evidence_no).where(EvidenceItem.evidence_no.is_not(None))
    return [str(number) for number in (await session.execute(query)).scalars()]


@dataclass(frozen=True)
class Counter:
    """The last number of a region and year."""

    region_code: str
    year: int
    last: int


async def counters(session: AsyncSession) -> list[Counter]:
    """All number counters."""
    rows = await session.execute(select(NumberCounter.region_code, NumberCounter.year, NumberCounter.last))
    return [Counter(*row) for row in rows]


async def checkpoints(session: AsyncSession, shard: int) -> list[LogCheckpoint]:
    """A shard's checkpoints in order."""
    query = select(LogCheckpoint).where(LogCheckpoint.shard == shard).order_by(LogCheckpoint.size)
    return list((await session.execute(query)).scalars())
