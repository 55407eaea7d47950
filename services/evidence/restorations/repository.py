"""SQL of restoring."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.evidence.items.models import EvidenceItem


async def by_number(session: AsyncSession, given: str) -> str | None:
    """The id of the item with this id or evidence number."""
    query = select(EvidenceItem.id).where((EvidenceItem.id == given) | (EvidenceItem.evidence_no == given))
    return await session.scalar(query)
