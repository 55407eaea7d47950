"""Use cases of retention: what holds for an item, holding it, releasing it, telling the store."""

import asyncio
import csv
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import rfc3339, utc_now
from services.common.identity import Claims
from services.common.problems import Problem, not_found
from services.evidence.custody import service as custody
from services.evidence.items import repository as items
from services.evidence.objects.store import ObjectStore
from services.evidence.retention import repository
from services.evidence.retention.models import Retention, RetentionRule
from services.evidence.retention.rules import CASE, Reckoned, extended, in_force, keep_until
from services.evidence.retention.schemas import HoldOut, RetentionOut, RetentionRuleOut
from services.evidence.runtime import Runtime

log = structlog.get_logger()

DATA = Path(__file__).parent.parent / "data" / "retention_rules.csv"


def shipped_rules() -> list[dict[str, Any]]:
    """The rules that come with the project, as rows."""
    with DATA.open(encoding="utf-8", newline="") as file:
        return [
            {
                **row,
                "years": int(row["years"]),
                "verified": row["verified"] == "true",
                "effective_from": date.fromisoformat(row["effective_from"]),
                "effective_to": date.fromisoformat(row["effective_to"]) if row["effective_to"] else None,
            }
            for row in csv.DictReader(file)
        ]


async def load_shipped(session: AsyncSession) -> None:
    """Add the shipped rules that are not in the database; edited rows stay."""
    await repository.add_missing(session, shipped_rules())


async def attached_to_case(session: AsyncSession, evidence_id: str) -> None:
    """A clue or case stands on the item now: it is kept as long as those are."""
    await repository.categorise(session, evidence_id, CASE)


async def view(session: AsyncSession, evidence_id: str) -> RetentionOut | None:
    """What holds for an item; None before it is sealed, unless it is held."""
    found = await repository.find(session, evidence_id)
    return None if found is None else _shown(*found)


def _shown(row: Retention, rule: RetentionRule | None) -> RetentionOut:
    hold = None
    if row.hold_at is not None:
        hold = HoldOut(reason=row.hold_reason or "", by=row.hold_by or {}, at=rfc3339(row.hold_at))
    fields = RetentionRuleOut.model_fields
    return RetentionOut(
        until=rfc3339(row.until) if row.until else None,
        rule=RetentionRuleOut(**{name: getattr(rule, name) for name in fields}) if rule else None,
        hold=hold,
        pending=row.pending,
        locked=row.locked,
    )


async def hold(runtime: Runtime, evidence_id: str, claims: Claims, reason: str) -> RetentionOut:
    """Put an item under legal hold, on record. Raises Problem 404, 409 `evidence.already_held`."""
    async with runtime.database.transaction() as session:
        found = await _held(session, evidence_id, claims)
        if found is not None:
            raise _already_held(found)
        await repository.hold(session, evidence_id, reason, claims.actor, utc_now())
        event = custody.Happened("held", custody.actor_of(claims), reason)
        await custody.record(session, evidence_id, event)
        shown = await view(session, evidence_id)
    runtime.log.wake(urgent=False)
    assert shown is not None  # noqa: S101 - written a moment ago in the same transaction
    return shown


async def release(runtime: Runtime, evidence_id: str, claims: Claims, reason: str) -> RetentionOut:
    """Lift a legal hold, on record. Raises Problem 404, 409 `evidence.not_held`."""
    async with runtime.database.transaction() as session:
        if await _held(session, evidence_id, claims) is None:
            raise _not_held()
        await repository.release(session, evidence_id)
        event = custody.Happened("released", custody.actor_of(claims), reason)
        await custody.record(session, evidence_id, event)
        shown = await view(session, evidence_id)
    runtime.log.wake(urgent=False)
    assert shown is not None  # noqa: S101 - as above
    return shown


async def _held(session: AsyncSession, evidence_id: str, claims: Claims) -> Retention | None:
    """The item's hold, if any, with the item held by this transaction. Raises Problem 404."""
    if await items.find_visible(session, evidence_id, claims) is None:
        raise not_found("证据", "evidence item")
    await custody.hold(session, evidence_id)
    found = await repository.find(session, evidence_id, lock=True)
    return found[0] if found and found[0].hold_at is not None else None


async def due(runtime: Runtime, after: str, limit: int) -> list[Reckoned]:
    """What holds for the items that are still to be applied, by evidence id above `after`.

    An item without a rule in force is named in the log and kept as it is.
    """
    async with runtime.database.transaction() as session:
        rules = await repository.rules(session)
        return [_reckoned(rules, *row) for row in await repository.pending(session, after, limit)]


def _reckoned(rules: Sequence[RetentionRule], row: Retention, sealed_at: datetime | None) -> Reckoned:
    """The rule and date that hold for a sealed item; what it has for one that is not sealed yet."""
    rule_id, until = row.rule_id, row.until
    if sealed_at is not None:
        try:
            rule = in_force(rules, row.category, sealed_at)
            rule_id, until = rule.id, extended(until, keep_until(sealed_at, rule.years))
        except LookupError as error:
            log.error("retention.no_rule", evidence_id=row.evidence_id, reason=str(error))
    return Reckoned(row.evidence_id, row.category, row.hold_at, rule_id, until)


async def note(runtime: Runtime, told: Sequence[Reckoned], *, locked: bool) -> int:
    """Note that these hold and, where the store locks, that it was told; gives of how many."""
    async with runtime.database.transaction() as session:
        return await repository.applied(session, told, locked=locked)


async def tell_store(runtime: Runtime, one: Reckoned) -> bool:
    """Lock every object of an item; gives whether all of them are. Raises Problem 503 as the store."""
    async with runtime.database.transaction() as session:
        objects = await repository.objects(session, one.evidence_id)
        held = await repository.held(session, objects)
    return await asyncio.to_thread(_protect, runtime.store, objects, held, one.until)


def _protect(store: ObjectStore, objects: Sequence[str], held: set[str], until: datetime | None) -> bool:
    """Whether the store locks all of them; an object that is not there is the sweep's to report."""
    locks = bool(objects)
    for sha256 in objects:
        try:
            locks = store.protect(sha256, until, hold=sha256 in held) and locks
        except FileNotFoundError:
            log.error("retention.object_missing", sha256=sha256)
            locks = False
    return locks


def _already_held(row: Retention) -> Problem:
    return Problem(
        "evidence.already_held",
        409,
        zh=f"该证据已处于保全冻结状态:{row.hold_reason}",
        en=f"this item is already under a hold: {row.hold_reason}",
        todo_zh="如需变更事由,请先解除再重新设置",
        todo_en="to change the reason, release it first and hold it again",
    )


def _not_held() -> Problem:
    return Problem(
        "evidence.not_held",
        409,
        zh="该证据没有处于保全冻结状态",
        en="this item is not under a hold",
    )
