"""SQL of evidence items; the one place where they are scoped by region and grants."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload, undefer

from services.common.database import Transaction, run
from services.common.identity import Claims
from services.common.scope import region_filter
from services.evidence.custody.repository import ADD as ADD_EVENTS
from services.evidence.custody.repository import rows_of
from services.evidence.custody.rules import NewEvent
from services.evidence.grants.repository import opened_to
from services.evidence.intakes.rules import Received
from services.evidence.items.models import EvidenceItem, Receipt
from services.evidence.log.repository import ENQUEUE
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
    "SELECT o.id, o.url, o.purpose, o.ordered_by, o.org_code, o.region_code, l.shard, l.index,"
    " EXISTS (SELECT FROM evidence_items i WHERE i.id = o.id),"
    " (SELECT jsonb_agg(jsonb_build_array(a.path, a.media_type, a.bytes, a.sha256, a.sm3, a.crc32))"
    " FROM artefacts a WHERE a.evidence_id = o.id)"
    " FROM orders o LEFT JOIN log_entries l ON l.ref = %(ref)s WHERE o.id = %(id)s"
)


async def ordered(session: Transaction, evidence_id: str) -> tuple[LoggedOrder, list[Received]] | None:
    """The order of an item that is to be sealed, and what was received for it in byte order of its paths."""
    found = await run(session, _ORDERED, {"id": evidence_id, "ref": log_ref(evidence_id)})
    if not found:
        return None
    *order, received = found[0]
    artefacts = sorted((Received(*row) for row in received or ()), key=lambda row: row.path)
    return LoggedOrder(*order), artefacts


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


_NUMBER = (
    "INSERT INTO number_counters (region_code, year, last) VALUES (%(region_code)s, %(year)s, 1)"
    " ON CONFLICT (region_code, year) DO UPDATE SET last = number_counters.last + 1 RETURNING last"
)
_STAMP = (
    *("evidence_id", "position", "authority", "operator", "response", "path", "stamped_at", "delta_ms"),
    "valid_until",
)
_RECEIPT = ("evidence_id", "custodian", "operator", "receipt", "stored_at")


def _values(columns: Sequence[str]) -> str:
    return ", ".join(f"%({column})s" for column in columns)


# Statements are put together from fixed column names alone; no value is ever part of the text.
@cache
def _advance(columns: tuple[str, ...]) -> str:
    changed = ", ".join(f"{column} = %({column})s" for column in columns)
    return (
        f"UPDATE evidence_items SET {changed}, last_error = NULL,"  # noqa: S608
        " custody_seq = custody_seq + %(_events)s WHERE id = %(_id)s AND stage = %(_before)s"
        " RETURNING custody_seq"
    )


_ADD_STAMP = f"INSERT INTO stamps ({', '.join(_STAMP)}) VALUES ({_values(_STAMP)})"  # noqa: S608
_ADD_RECEIPT = (
    f"INSERT INTO receipts ({', '.join(_RECEIPT)}) VALUES ({_values(_RECEIPT)})"  # noqa: S608
    " ON CONFLICT (evidence_id, custodian) DO NOTHING RETURNING custodian"
)


async def advance(
    session: Transaction, evidence_id: str, before: str, values: Mapping[str, Any], events: int
) -> int | None:
    """Move an item on from stage `before`, taking `events` custody numbers; gives the first of them.

    None when it is no longer at that stage: someone else moved it on. The item stays locked until the end.
    """
    where = {"_id": evidence_id, "_before": before, "_events": events}
    found = await run(session, _advance(tuple(values)), {**values, **where})
    return int(found[0][0]) - events + 1 if found else None


async def next_number(session: Transaction, region_code: str, year: int) -> int:
    """The next number of a region and year: 1, 2, 3, … The counter stays locked until the transaction ends,
    and a rollback gives the number back: no gaps."""
    return int((await run(session, _NUMBER, {"region_code": region_code, "year": year}))[0][0])


async def add_stamps(session: Transaction, stamps: Sequence[Mapping[str, Any]]) -> None:
    """Keep time stamps."""
    for stamp in stamps:
        await run(session, _ADD_STAMP, stamp)


async def note_failure(session: AsyncSession, evidence_ids: Sequence[str], problem: dict[str, Any]) -> None:
    """Keep why the last attempt at sealing these items stopped."""
    await session.execute(
        update(EvidenceItem)
        .where(EvidenceItem.id.in_(evidence_ids), EvidenceItem.stage != "sealed")
        .values(attempts=EvidenceItem.attempts + 1, last_error=problem)
    )


async def add_receipts(session: Transaction, receipts: Sequence[Mapping[str, Any]]) -> int:
    """Keep custodians' receipts; one that is kept already stays. Gives how many were new."""
    return sum([len(await run(session, _ADD_RECEIPT, receipt)) for receipt in receipts])


async def keep_sm3(session: Transaction, evidence_id: str, sm3: str) -> None:
    """Keep the SM3 of a sealed package."""
    query = "UPDATE evidence_items SET package_sm3 = %(sm3)s WHERE id = %(id)s"
    await run(session, query, {"id": evidence_id, "sm3": sm3})


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


# One step of sealing is one statement: the row and all that goes with it, or nothing of it. Every round trip
# to the database is waited for, and these are the statements of every seal.

Rows = Sequence[Mapping[str, Any]]

_STAMP_KINDS = {
    "position": "int",
    "authority": "text",
    "operator": "text",
    "response": "bytea",
    "path": "bytea",
    "stamped_at": "timestamptz",
    "delta_ms": "float8",
    "valid_until": "timestamptz",
}
_RECEIPT_KINDS = {"custodian": "text", "operator": "text", "receipt": "text", "stored_at": "timestamptz"}
_IF_MOVED = " WHERE EXISTS (SELECT FROM moved)"


def _insert_all(table: str, columns: Mapping[str, str]) -> str:
    """Rows given column by column."""
    names = ", ".join(columns)
    arrays = ", ".join(f"%({table}_{name})s::{kind}[]" for name, kind in columns.items())
    return (
        f"INSERT INTO {table} (evidence_id, {names})"  # noqa: S608
        f" SELECT %(evidence_id)s, {names} FROM unnest({arrays}) AS given({names})"
    )


def _by_column(table: str, columns: Mapping[str, str], rows: Rows) -> dict[str, list[Any]]:
    return {f"{table}_{name}": [row[name] for row in rows] for name in columns}


@cache
def _begun(columns: tuple[str, ...]) -> str:
    names, values = ", ".join(columns), ", ".join(f"%({column})s" for column in columns)
    return f"INSERT INTO evidence_items ({names}) VALUES ({values}) ON CONFLICT (id) DO NOTHING"  # noqa: S608


@cache
def _moved(columns: tuple[str, ...]) -> str:
    changed = ", ".join(f"{column} = %({column})s" for column in columns)
    return (
        f"UPDATE evidence_items SET {changed}, last_error = NULL, custody_seq = %(_last)s"  # noqa: S608
        " WHERE id = %(evidence_id)s AND stage = %(_before)s AND custody_seq = %(_known)s"
    )


@cache
def _step(move: str, *, stamps: bool, receipts: bool) -> str:
    """The move, and what is kept only if it took place."""
    queue = ENQUEUE.replace(" ON CONFLICT", f"{_IF_MOVED} ON CONFLICT")
    parts = [
        f"moved AS ({move} RETURNING id)",
        f"events AS ({ADD_EVENTS}{_IF_MOVED})",
        f"queued AS ({queue})",
    ]
    if stamps:
        parts.append(f"stamped AS ({_insert_all('stamps', _STAMP_KINDS)}{_IF_MOVED})")
    if receipts:
        again = " ON CONFLICT (evidence_id, custodian) DO NOTHING"
        parts.append(f"kept AS ({_insert_all('receipts', _RECEIPT_KINDS)}{_IF_MOVED}{again})")
    return f"WITH {', '.join(parts)} SELECT count(*) FROM moved"  # noqa: S608


async def step(
    session: Transaction,
    evidence_id: str,
    values: Mapping[str, Any],
    before: tuple[str, int] | None,
    *,
    events: Sequence[NewEvent],
    entries: Mapping[str, bytes],
    stamps: Rows = (),
    receipts: Rows = (),
) -> bool:
    """Write a step down; False, and nothing is changed, when the item is not where it was thought.

    before: its stage and its last custody number; None for an item that is new. entries: for the log.
    """
    given = {**values}
    if before is None:
        given |= {"ordered_by": Jsonb(values["ordered_by"]), "custody_seq": len(events)}
        move = _begun(tuple(given))
    else:
        move = _moved(tuple(given))
        given |= {"_before": before[0], "_known": before[1], "_last": before[1] + len(events)}
    given |= {"evidence_id": evidence_id, "events": rows_of(events)}
    given |= {"refs": list(entries), "entries": list(entries.values())}
    if stamps:
        given |= _by_column("stamps", _STAMP_KINDS, stamps)
    if receipts:
        given |= _by_column("receipts", _RECEIPT_KINDS, receipts)
    found = await run(session, _step(move, stamps=bool(stamps), receipts=bool(receipts)), given)
    return bool(found[0][0])
