"""Recording custody events: in the transaction of what happened, bound by the log soon after."""

import hashlib
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import utc_now
from services.common.database import Transaction
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.problems import Problem
from services.evidence.custody import repository
from services.evidence.custody.rules import (
    VIEW_WINDOW,
    Actor,
    Happened,
    NewEvent,
    document,
    log_entry,
    log_ref,
)
from services.evidence.log import repository as log_repository

__all__ = [
    "Happened",
    "actor_of",
    "add",
    "drawn_up",
    "hold",
    "log_entries",
    "record",
    "record_once",
    "required_reason",
]

_REASON_LENGTH = 500


def actor_of(claims: Claims) -> Actor:
    """The caller as an actor."""
    return Actor(claims.sub, claims.name, claims.org, claims.client_ip, claims.org_name[:100])


def required_reason(given: str) -> str:
    """The reason of a deed that takes evidence out of the system. Raises 422 `evidence.reason_missing`."""
    reason = given.strip()
    if not reason:
        raise Problem(
            "evidence.reason_missing",
            422,
            zh="导出、打印证据须填写事由",
            en="exporting or printing evidence needs a reason",
            todo_zh="请填写事由后重试",
            todo_en="give the reason and try again",
        )
    return reason[:_REASON_LENGTH]


async def hold(session: AsyncSession, evidence_id: str) -> bool:
    """Hold an item until the transaction ends, so that its events come one after another."""
    return await repository.lock_item(session, evidence_id)


async def record(session: AsyncSession, evidence_id: str, *events: Happened) -> None:
    """Add events to an item's custody and queue their log entries. Raises LookupError without item."""
    first = await repository.next_seq(session, evidence_id, len(events))
    if first is None:
        raise LookupError(evidence_id)
    await add(session, evidence_id, first, events)


async def add(
    session: Transaction,
    evidence_id: str,
    first: int,
    events: Sequence[Happened],
    previous: bytes | None = None,
    entries: Mapping[str, bytes] | None = None,
) -> bytes | None:
    """The same with the first event's number already taken, the item being held by this transaction.

    previous: the document before the first, when the caller has it; entries: log entries to be queued before
    those of the events. Gives the last event's document.
    """
    if previous is None and first > 1:
        previous = await repository.last_document(session, evidence_id)
    rows = drawn_up(evidence_id, first, events, previous)
    await repository.add(session, evidence_id, rows)
    await log_repository.enqueue(session, {**(entries or {}), **log_entries(rows)})
    return rows[-1].document if rows else previous


def drawn_up(
    evidence_id: str, first: int, events: Sequence[Happened], previous: bytes | None
) -> list[NewEvent]:
    """The events with numbers from `first` on and their documents, each linked to the one before it."""
    now = utc_now()
    rows: list[NewEvent] = []
    for seq, happened in enumerate(events, first):
        at = happened.at or now
        link = hashlib.sha256(previous).hexdigest() if previous else ""
        previous = document(evidence_id, seq, happened, at, link)
        rows.append(NewEvent(new_id(), seq, happened, at, previous))
    return rows


def log_entries(rows: Sequence[NewEvent]) -> dict[str, bytes]:
    """What the log is to hold of events, by ref."""
    return {log_ref(row.id): log_entry(row.document) for row in rows}


async def record_once(session: AsyncSession, evidence_id: str, happened: Happened) -> bool:
    """Record what a person did unless the same is on record within the last minute; gives whether it was new.

    A screen asks for many things at once and again: the same look by the same person is one event. One
    with a reason always is an event of its own.
    """
    if happened.reason:
        await record(session, evidence_id, happened)
        return True
    since, actor = utc_now() - VIEW_WINDOW, happened.actor
    facts = (happened.event, actor.sub, happened.about, since)
    if await repository.happened_since(session, evidence_id, *facts):
        return False
    # With the item held only the first of many requests at once counts.
    await repository.lock_item(session, evidence_id)
    if await repository.happened_since(session, evidence_id, *facts):
        return False
    await record(session, evidence_id, happened)
    return True
