"""SQL of evidence items; the one place where they are scoped by region and grants."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload, undefer

from services.common.identity import Claims
from services.common.scope import region_filter
from services.evidence.grants.repository import opened_to
from services.evidence.items.models import EvidenceItem, NumberCounter, Stamp

_ALL = (
    undefer(EvidenceItem.envelope),
    undefer(EvidenceItem.entry),
    undefer(EvidenceItem.proof),
    undefer(EvidenceItem.receipt),
    selectinload(EvidenceItem.stamps),
)


def _visible(claims: Claims) -> ColumnElement[bool]:
    """Rows of the caller's region subtree, and those opened to his organisation."""
    return or_(region_filter(EvidenceItem.region_code, claims), EvidenceItem.id.in_(opened_to(claims.org)))


async def load(session: AsyncSession, evidence_id: str) -> EvidenceItem | None:
    """An item with everything, for sealing."""
    query = (
        select(EvidenceItem)
        .where(EvidenceItem.id == evidence_id)
        .options(*_ALL)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def find_visible(session: AsyncSession, evidence_id: str, claims: Claims) -> EvidenceItem | None:
    """An item the caller may see, with everything."""
    query = select(EvidenceItem).where(EvidenceItem.id == evidence_id, _visible(claims)).options(*_ALL)
    return (await session.execute(query)).scalar_one_or_none()


async def page(
    session: AsyncSession, claims: Claims, *, q: str, outcome: str | None, before: str | None, limit: int
) -> list[EvidenceItem]:
    """Visible items, newest first. q: part of number, address or title."""
    query = select(EvidenceItem).where(_visible(claims)).order_by(EvidenceItem.id.desc()).limit(limit)
    if before:
        query = query.where(EvidenceItem.id < before)
    if outcome:
        query = query.where(EvidenceItem.outcome == outcome)
    if q:
        columns = (
            EvidenceItem.evidence_no,
            EvidenceItem.requested_url,
            EvidenceItem.final_url,
            EvidenceItem.title,
        )
        query = query.where(or_(*(column.icontains(q, autoescape=True) for column in columns)))
    return list((await session.execute(query)).scalars())


async def add(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Add an item at its first stage; False when there is one already."""
    query = (
        insert(EvidenceItem)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(EvidenceItem.id)
    )
    return (await session.execute(query)).first() is not None


async def advance(
    session: AsyncSession, evidence_id: str, before: str, values: dict[str, Any], events: int
) -> int | None:
    """Move an item on from stage `before`, taking `events` custody numbers; gives the first of them.

    None when it is no longer at that stage: someone else moved it on. The item stays locked until the end.
    """
    query = (
        update(EvidenceItem)
        .where(EvidenceItem.id == evidence_id, EvidenceItem.stage == before)
        .values(last_error=None, custody_seq=EvidenceItem.custody_seq + events, **values)
        .returning(EvidenceItem.custody_seq)
        .execution_options(synchronize_session=False)
    )
    last = (await session.execute(query)).scalar_one_or_none()
    return None if last is None else int(last) - events + 1


async def next_number(session: AsyncSession, region_code: str, year: int) -> int:
    """The next number of a region and year: 1, 2, 3, … The counter stays locked until the transaction ends,
    and a rollback gives the number back: no gaps."""
    query = (
        insert(NumberCounter)
        .values(region_code=region_code, year=year, last=1)
        .on_conflict_do_update(index_elements=["region_code", "year"], set_={"last": NumberCounter.last + 1})
        .returning(NumberCounter.last)
    )
    return int((await session.execute(query)).scalar_one())


async def add_stamps(session: AsyncSession, stamps: list[dict[str, Any]]) -> None:
    """Keep time stamps."""
    await session.execute(insert(Stamp), stamps)


async def note_failure(session: AsyncSession, evidence_id: str, problem: dict[str, Any]) -> None:
    """Keep why the last attempt at sealing stopped."""
    await session.execute(
        update(EvidenceItem)
        .where(EvidenceItem.id == evidence_id, EvidenceItem.stage != "sealed")
        .values(attempts=EvidenceItem.attempts + 1, last_error=problem)
    )


async def unsealed(session: AsyncSession, created_before: datetime, limit: int) -> list[str]:
    """Ids of items whose sealing has begun and not ended, oldest first."""
    query = (
        select(EvidenceItem.id)
        .where(EvidenceItem.stage != "sealed", EvidenceItem.created_at < created_before)
        .order_by(EvidenceItem.id)
        .limit(limit)
    )
    return list((await session.execute(query)).scalars())
