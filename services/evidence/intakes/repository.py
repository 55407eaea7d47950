"""SQL of intakes."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import Transaction, run
from services.evidence.intakes.models import Artefact
from services.evidence.intakes.rules import Received
from services.evidence.items.models import EvidenceItem
from services.evidence.objects.facts import Stored
from services.evidence.orders.models import Order


async def order_exists(session: AsyncSession, evidence_id: str) -> bool:
    """Whether there is an order of this id."""
    return (await session.execute(select(Order.id).where(Order.id == evidence_id))).first() is not None


async def is_closed(session: AsyncSession, evidence_id: str) -> bool:
    """Whether the manifest has been signed, so that nothing can be added."""
    query = select(EvidenceItem.id).where(EvidenceItem.id == evidence_id)
    return (await session.execute(query)).first() is not None


async def find(session: AsyncSession, evidence_id: str, path: str) -> Artefact | None:
    """A received artefact."""
    return await session.get(Artefact, (evidence_id, path))


_OF_ITEM = (
    "SELECT path, media_type, bytes, sha256, sm3, crc32 FROM artefacts WHERE evidence_id = %(evidence_id)s"
)


async def of_item(session: Transaction, evidence_id: str) -> list[Received]:
    """All artefacts of an item in byte order of their paths."""
    rows = await run(session, _OF_ITEM, {"evidence_id": evidence_id})
    return sorted((Received(*row) for row in rows), key=lambda row: row.path)


async def add(session: AsyncSession, evidence_id: str, path: str, media_type: str, stored: Stored) -> bool:
    """Keep a received artefact; False when the path is taken."""
    query = (
        insert(Artefact)
        .values(
            evidence_id=evidence_id,
            path=path,
            media_type=media_type,
            bytes=stored.bytes,
            sha256=stored.sha256,
            sm3=stored.sm3,
            crc32=stored.crc32,
            version_id=stored.version,
        )
        .on_conflict_do_nothing(index_elements=["evidence_id", "path"])
        .returning(Artefact.path)
    )
    return (await session.execute(query)).first() is not None
