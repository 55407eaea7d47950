"""SQL of grants."""

from datetime import datetime

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.evidence.grants.models import Grant
from services.evidence.grants.rules import Word


def opened_to(org_code: str) -> Select[str]:
    """Ids of the items open to an organisation now, as a subquery."""
    return select(Grant.evidence_id).where(Grant.org_code == org_code, Grant.withdrawn_at.is_(None))


async def find(session: AsyncSession, word: Word) -> Grant | None:
    """What is on record for this item, organisation and ground."""
    return await session.get(Grant, (word.evidence_id, word.org_code, word.basis), populate_existing=True)


async def is_open(session: AsyncSession, evidence_id: str, org_code: str) -> bool:
    """Whether the item is open to the organisation on any ground."""
    query = opened_to(org_code).where(Grant.evidence_id == evidence_id).limit(1)
    return (await session.execute(query)).first() is not None


async def keep(session: AsyncSession, word: Word, withdrawn_at: datetime | None) -> None:
    """Put a word on record; withdrawn_at: null opens the item, a time closes it."""
    values = {"version": word.version, "reason": word.reason, "withdrawn_at": withdrawn_at}
    key = {"evidence_id": word.evidence_id, "org_code": word.org_code, "basis": word.basis}
    await session.execute(
        insert(Grant)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=list(key), set_=values)
        .execution_options(synchronize_session=False)
    )


async def close_unnamed(session: AsyncSession, word: Word, withdrawn_at: datetime) -> None:
    """Withdraw what was given to the organisation before grounds were named (empty basis)."""
    await session.execute(
        update(Grant)
        .where(
            Grant.evidence_id == word.evidence_id,
            Grant.org_code == word.org_code,
            Grant.basis == "",
            Grant.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=withdrawn_at)
        .execution_options(synchronize_session=False)
    )
