"""SQL of retention."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.evidence.intakes.models import Artefact
from services.evidence.items.models import EvidenceItem
from services.evidence.retention.models import Retention, RetentionRule
from services.evidence.retention.rules import Reckoned


async def add_missing(session: AsyncSession, rules: Iterable[dict[str, Any]]) -> None:
    """Insert shipped rules that are not there; rows that were edited stay as they are."""
    await session.execute(insert(RetentionRule).on_conflict_do_nothing(), list(rules))


async def rules(session: AsyncSession) -> list[RetentionRule]:
    """All rules."""
    return list((await session.scalars(select(RetentionRule))).all())


async def find(
    session: AsyncSession, evidence_id: str, *, lock: bool = False
) -> tuple[Retention, RetentionRule | None] | None:
    """An item's retention with its rule; locked until the transaction ends when asked."""
    query = (
        select(Retention, RetentionRule)
        .outerjoin(RetentionRule, RetentionRule.id == Retention.rule_id)
        .where(Retention.evidence_id == evidence_id)
    )
    if lock:
        query = query.with_for_update(of=Retention)
    row = (await session.execute(query)).first()
    return None if row is None else (row[0], row[1])


async def categorise(session: AsyncSession, evidence_id: str, category: str) -> None:
    """Put an item into a category; what that means for its date is reckoned when it is applied."""
    query = insert(Retention).values(evidence_id=evidence_id, category=category)
    await session.execute(
        query.on_conflict_do_update(
            index_elements=["evidence_id"], set_={"category": category, "pending": True}
        )
    )


async def hold(
    session: AsyncSession, evidence_id: str, reason: str, by: dict[str, str], at: datetime
) -> None:
    """Note a hold; an item that is not sealed yet can be held as well."""
    values = {"hold_reason": reason, "hold_by": by, "hold_at": at, "pending": True}
    query = insert(Retention).values(evidence_id=evidence_id, **values)
    await session.execute(query.on_conflict_do_update(index_elements=["evidence_id"], set_=values))


async def release(session: AsyncSession, evidence_id: str) -> None:
    """Take a hold away."""
    await session.execute(
        update(Retention)
        .where(Retention.evidence_id == evidence_id)
        .values(hold_reason=None, hold_by=None, hold_at=None, pending=True)
    )


async def pending(session: AsyncSession, after: str, limit: int) -> list[tuple[Retention, datetime | None]]:
    """Retentions that are still to be applied, by evidence id above `after`, with when each was sealed."""
    query = (
        select(Retention, EvidenceItem.sealed_at)
        .join(EvidenceItem, EvidenceItem.id == Retention.evidence_id)
        .where(Retention.pending, Retention.evidence_id > after)
        .order_by(Retention.evidence_id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def objects(session: AsyncSession, evidence_id: str) -> list[str]:
    """SHA-256 of every object of an item: its artefacts and its layout."""
    artefacts = await session.scalars(select(Artefact.sha256).where(Artefact.evidence_id == evidence_id))
    layout = await session.scalar(select(EvidenceItem.layout_sha256).where(EvidenceItem.id == evidence_id))
    return sorted({*artefacts, *([layout] if layout else [])})


async def held(session: AsyncSession, sha256s: Sequence[str]) -> set[str]:
    """Those of the objects that belong to any item under a hold: equal files of two items are one object."""
    of_artefacts = (
        select(Artefact.sha256)
        .join(Retention, Retention.evidence_id == Artefact.evidence_id)
        .where(Artefact.sha256.in_(sha256s), Retention.hold_at.is_not(None))
    )
    of_layouts = (
        select(EvidenceItem.layout_sha256)
        .join(Retention, Retention.evidence_id == EvidenceItem.id)
        .where(EvidenceItem.layout_sha256.in_(sha256s), Retention.hold_at.is_not(None))
    )
    return {*(await session.scalars(of_artefacts)), *(str(one) for one in await session.scalars(of_layouts))}


_APPLIED = text(
    "UPDATE retentions SET rule_id = given.rule_id, until = given.until, pending = false, locked = :locked"
    " FROM unnest(CAST(:ids AS text[]), CAST(:categories AS text[]), CAST(:holds AS timestamptz[]),"
    " CAST(:rules AS int[]), CAST(:untils AS timestamptz[])) AS given(id, category, hold_at, rule_id, until)"
    " WHERE retentions.evidence_id = given.id AND retentions.category = given.category"
    " AND retentions.hold_at IS NOT DISTINCT FROM given.hold_at"
)


async def applied(session: AsyncSession, told: Sequence[Reckoned], *, locked: bool) -> int:
    """Note what the store was told; gives of how many.

    An item whose hold or category has changed meanwhile is left pending: it must be told again.
    """
    values = {
        "locked": locked,
        "ids": [one.evidence_id for one in told],
        "categories": [one.category for one in told],
        "holds": [one.hold_at for one in told],
        "rules": [one.rule_id for one in told],
        "untils": [one.until for one in told],
    }
    done = await session.execute(_APPLIED, values)
    return int(getattr(done, "rowcount", 0))
