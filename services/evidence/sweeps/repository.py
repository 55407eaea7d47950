"""SQL of sweeps."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal, null, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import BigInteger, String

from services.evidence.intakes.models import Artefact
from services.evidence.items.models import EvidenceItem
from services.evidence.sweeps.models import Sweep, SweepFinding
from services.evidence.sweeps.rules import Expected, Finding

_OPEN = ("requested", "running")


async def request(session: AsyncSession, sweep_id: str, by: str) -> bool:
    """Add a sweep to be run; False when one is open already."""
    query = insert(Sweep).values(id=sweep_id, state="requested", requested_by=by, slot=1)
    done = await session.execute(query.on_conflict_do_nothing().returning(Sweep.id))
    return done.first() is not None


async def newest(session: AsyncSession) -> Sweep | None:
    """The newest sweep."""
    query = select(Sweep).order_by(Sweep.id.desc()).limit(1).execution_options(populate_existing=True)
    return await session.scalar(query)


async def find(session: AsyncSession, sweep_id: str) -> Sweep | None:
    """A sweep by its id."""
    query = select(Sweep).where(Sweep.id == sweep_id).execution_options(populate_existing=True)
    return await session.scalar(query)


async def claim(session: AsyncSession, now: datetime, lease_until: datetime) -> Sweep | None:
    """The open sweep that nobody runs, now run by the caller."""
    query = (
        update(Sweep)
        .where(Sweep.state.in_(_OPEN), or_(Sweep.lease_until.is_(None), Sweep.lease_until < now))
        .values(state="running", started_at=func.coalesce(Sweep.started_at, now), lease_until=lease_until)
        .returning(Sweep)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def advance(
    session: AsyncSession, sweep_id: str, values: dict[str, Any], findings: Sequence[Finding]
) -> bool:
    """Keep how far a sweep is and what it found since; False when it is to be cancelled."""
    await add_findings(session, sweep_id, findings)
    query = update(Sweep).where(Sweep.id == sweep_id).values(**values).returning(Sweep.cancel)
    return not (await session.execute(query)).scalar_one()


async def add_findings(session: AsyncSession, sweep_id: str, findings: Sequence[Finding]) -> None:
    """Keep findings; one that was found again after a restart is one."""
    rows = [
        {
            "sweep_id": sweep_id,
            "name": one.name[:200],
            "kind": one.kind,
            "detail": one.detail,
            "evidence_ids": list(one.evidence_ids),
        }
        for one in findings
    ]
    if rows:
        await session.execute(insert(SweepFinding).on_conflict_do_nothing(), rows)


async def cancel(session: AsyncSession) -> bool:
    """Ask the open sweep to stop; False when there is none."""
    query = update(Sweep).where(Sweep.state.in_(_OPEN)).values(cancel=True).returning(Sweep.id)
    return (await session.execute(query)).first() is not None


async def counts(session: AsyncSession, sweep_id: str) -> dict[str, int]:
    """Findings by kind."""
    query = (
        select(SweepFinding.kind, func.count())
        .where(SweepFinding.sweep_id == sweep_id)
        .group_by(SweepFinding.kind)
    )
    return {kind: int(count) for kind, count in await session.execute(query)}


async def findings(session: AsyncSession, sweep_id: str, limit: int) -> list[SweepFinding]:
    """The first findings in order of kind and name."""
    query = (
        select(SweepFinding)
        .where(SweepFinding.sweep_id == sweep_id)
        .order_by(SweepFinding.kind, SweepFinding.name)
        .limit(limit)
    )
    return list((await session.scalars(query)).all())


def _references(after: str) -> Select[tuple[str, str | None, int | None, str]]:
    """(sha256, sm3, bytes, evidence id) of every object of every sealed item, above a SHA-256."""
    of_artefacts = (
        select(Artefact.sha256, Artefact.sm3, Artefact.bytes, Artefact.evidence_id)
        .join(EvidenceItem, EvidenceItem.id == Artefact.evidence_id)
        .where(EvidenceItem.stage == "sealed", Artefact.sha256 > after)
    )
    of_layouts = select(
        EvidenceItem.layout_sha256, null().cast(String), null().cast(BigInteger), EvidenceItem.id
    ).where(EvidenceItem.stage == "sealed", EvidenceItem.layout_sha256 > after)
    both = union_all(of_artefacts, of_layouts).subquery("referenced")
    return select(both.c.sha256, both.c.sm3, both.c.bytes, both.c.evidence_id)


async def expected(session: AsyncSession, after: str, limit: int) -> list[Expected]:
    """The next objects sealed items refer to, in order of SHA-256, each once."""
    rows = _references(after).subquery()
    query = (
        select(
            rows.c.sha256, func.max(rows.c.sm3), func.max(rows.c.bytes), func.array_agg(rows.c.evidence_id)
        )
        .group_by(rows.c.sha256)
        .order_by(rows.c.sha256)
        .limit(limit)
    )
    return [
        Expected(sha256, sm3, size, tuple(sorted(set(ids))))
        for sha256, sm3, size, ids in await session.execute(query)
    ]


async def totals(session: AsyncSession) -> tuple[int, int]:
    """(objects, bytes) a whole sweep reads; layouts count without their bytes."""
    rows = _references("").subquery()
    each = select(func.max(rows.c.bytes).label("bytes")).group_by(rows.c.sha256).subquery()
    query = select(func.count(), func.coalesce(func.sum(each.c.bytes), literal(0))).select_from(each)
    count, size = (await session.execute(query)).one()
    return int(count), int(size)


async def known(session: AsyncSession, names: Sequence[str]) -> set[str]:
    """Those of the names that any item or intake refers to, sealed or not."""
    of_artefacts = await session.scalars(select(Artefact.sha256).where(Artefact.sha256.in_(names)))
    of_layouts = await session.scalars(
        select(EvidenceItem.layout_sha256).where(EvidenceItem.layout_sha256.in_(names))
    )
    return {*of_artefacts, *(str(one) for one in of_layouts)}
