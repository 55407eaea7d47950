"""SQL of evidence items; the one place where they are scoped by region and grants."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, bindparam, func, null, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload, undefer
from sqlalchemy.sql.dml import ReturningUpdate

from services.common.identity import Claims
from services.common.scope import region_filter
from services.evidence.grants.repository import opened_to
from services.evidence.items.models import EvidenceItem, Receipt, Stamp
from services.evidence.log.models import LogEntry
from services.evidence.orders.models import Order
from services.evidence.orders.rules import LoggedOrder, log_ref

_ALL = (
    undefer(EvidenceItem.envelope),
    undefer(EvidenceItem.entry),
    undefer(EvidenceItem.proof),
    selectinload(EvidenceItem.stamps),
    selectinload(EvidenceItem.receipts),
)


def _visible(claims: Claims) -> ColumnElement[bool]:
    """Rows of the caller's region subtree, and those opened to his organisation."""
    return or_(region_filter(EvidenceItem.region_code, claims), EvidenceItem.id.in_(opened_to(claims.org)))


_ORDERED = (
    select(
        *(Order.id, Order.url, Order.purpose, Order.ordered_by, Order.org_code, Order.region_code),
        *(LogEntry.shard, LogEntry.index, EvidenceItem.id.is_not(None)),
    )
    .select_from(Order)
    .outerjoin(LogEntry, LogEntry.ref == bindparam("ref"))
    .outerjoin(EvidenceItem, EvidenceItem.id == Order.id)
    .where(Order.id == bindparam("id"))
)


async def ordered(session: AsyncSession, evidence_id: str) -> LoggedOrder | None:
    """The order of an item that is to be sealed."""
    found = (await session.execute(_ORDERED, {"id": evidence_id, "ref": log_ref(evidence_id)})).first()
    return None if found is None else LoggedOrder(*found)


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


# The statements of sealing are made once, on the tables: with the mapped classes SQLAlchemy would spend more
# time on building each than PostgreSQL on running it.
_ITEMS, _STAMPS, _RECEIPTS = (cast(Table, mapped.__table__) for mapped in (EvidenceItem, Stamp, Receipt))
_ADD = insert(_ITEMS).on_conflict_do_nothing(index_elements=["id"]).returning(_ITEMS.c.id)
_NUMBER = text(
    "INSERT INTO number_counters (region_code, year, last) VALUES (:region_code, :year, 1)"
    " ON CONFLICT (region_code, year) DO UPDATE SET last = number_counters.last + 1 RETURNING last"
)
_ADD_STAMPS = insert(_STAMPS)
_ADD_RECEIPT = (
    insert(_RECEIPTS)
    .on_conflict_do_nothing(index_elements=["evidence_id", "custodian"])
    .returning(_RECEIPTS.c.custodian)
)


@cache
def _advance(columns: tuple[str, ...]) -> ReturningUpdate[int]:
    return (
        update(_ITEMS)
        .where(_ITEMS.c.id == bindparam("_id"), _ITEMS.c.stage == bindparam("_before"))
        .values(
            last_error=null(),
            custody_seq=_ITEMS.c.custody_seq + bindparam("_events"),
            **{column: bindparam(f"to_{column}") for column in columns},
        )
        .returning(_ITEMS.c.custody_seq)
    )


async def add(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Add an item at its first stage; False when there is one already."""
    return (await session.execute(_ADD, values)).first() is not None


async def advance(
    session: AsyncSession, evidence_id: str, before: str, values: dict[str, Any], events: int
) -> int | None:
    """Move an item on from stage `before`, taking `events` custody numbers; gives the first of them.

    None when it is no longer at that stage: someone else moved it on. The item stays locked until the end.
    """
    given = {f"to_{column}": value for column, value in values.items()}
    where = {"_id": evidence_id, "_before": before, "_events": events}
    last = (await session.execute(_advance(tuple(values)), given | where)).scalar_one_or_none()
    return None if last is None else int(last) - events + 1


async def next_number(session: AsyncSession, region_code: str, year: int) -> int:
    """The next number of a region and year: 1, 2, 3, … The counter stays locked until the transaction ends,
    and a rollback gives the number back: no gaps."""
    found = await session.execute(_NUMBER, {"region_code": region_code, "year": year})
    return int(found.scalar_one())


async def add_stamps(session: AsyncSession, stamps: list[dict[str, Any]]) -> None:
    """Keep time stamps."""
    await session.execute(_ADD_STAMPS, stamps)


async def note_failure(session: AsyncSession, evidence_ids: Sequence[str], problem: dict[str, Any]) -> None:
    """Keep why the last attempt at sealing these items stopped."""
    await session.execute(
        update(EvidenceItem)
        .where(EvidenceItem.id.in_(evidence_ids), EvidenceItem.stage != "sealed")
        .values(attempts=EvidenceItem.attempts + 1, last_error=problem)
    )


async def add_receipts(session: AsyncSession, receipts: list[dict[str, Any]]) -> int:
    """Keep custodians' receipts; one that is kept already stays. Gives how many were new."""
    new = [(await session.execute(_ADD_RECEIPT, receipt)).first() for receipt in receipts]
    return sum(row is not None for row in new)


async def keep_sm3(session: AsyncSession, evidence_id: str, sm3: str) -> None:
    """Keep the SM3 of a sealed package."""
    await session.execute(update(EvidenceItem).where(EvidenceItem.id == evidence_id).values(package_sm3=sm3))


async def unsealed(session: AsyncSession, created_before: datetime, limit: int) -> list[tuple[str, str]]:
    """Id and stage of items whose sealing has begun and not ended, or whose SM3 is owed; oldest first."""
    query = (
        select(EvidenceItem.id, EvidenceItem.stage)
        .where(
            or_(EvidenceItem.stage != "sealed", EvidenceItem.package_sm3.is_(None)),
            EvidenceItem.created_at < created_before,
        )
        .order_by(EvidenceItem.id)
        .limit(limit)
    )
    return [(evidence_id, stage) for evidence_id, stage in await session.execute(query)]


async def oldest_unstamped(session: AsyncSession) -> datetime | None:
    """When the oldest item that waits for its time stamp was signed."""
    query = select(func.min(EvidenceItem.created_at)).where(EvidenceItem.stage == "signed")
    return (await session.execute(query)).scalar_one_or_none()


async def count_unstamped(session: AsyncSession) -> int:
    """How many items wait for their time stamp."""
    query = select(func.count()).where(EvidenceItem.stage == "signed")
    return (await session.execute(query)).scalar_one()


async def lacking_copies(session: AsyncSession, custodians: Sequence[str], limit: int) -> list[str]:
    """Sealed items that not all of these custodians (by name) keep yet, oldest first."""
    kept = (
        select(func.count())
        .where(Receipt.evidence_id == EvidenceItem.id, Receipt.custodian.in_(custodians))
        .scalar_subquery()
    )
    query = (
        select(EvidenceItem.id)
        .where(EvidenceItem.stage == "sealed", kept < len(custodians))
        .order_by(EvidenceItem.id)
        .limit(limit)
    )
    return list((await session.execute(query)).scalars())
