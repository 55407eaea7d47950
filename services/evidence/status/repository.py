"""SQL of the state of sealing."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.evidence.items.models import EvidenceItem
from services.evidence.status.rules import Waiting


async def backlog(session: AsyncSession) -> dict[str, Waiting]:
    """Unsealed items by the stage they have reached."""
    query = (
        select(EvidenceItem.stage, func.count(), func.min(EvidenceItem.created_at))
        .where(EvidenceItem.stage != "sealed")
        .group_by(EvidenceItem.stage)
    )
    return {stage: Waiting(count, oldest) for stage, count, oldest in await session.execute(query)}
