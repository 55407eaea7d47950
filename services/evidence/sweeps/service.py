"""Use cases of sweeps: ask for one, stop it, read its report."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import rfc3339
from services.common.ids import new_id
from services.common.problems import Problem
from services.evidence.sweeps import repository
from services.evidence.sweeps.models import Sweep
from services.evidence.sweeps.rules import KINDS, verdict
from services.evidence.sweeps.schemas import FindingOut, SweepOut

_SHOWN = 1000


async def request(session: AsyncSession, by: str) -> SweepOut:
    """Ask for a sweep; an open one is given instead of a second."""
    await repository.request(session, new_id(), by[:120])
    found = await newest(session)
    assert found is not None  # noqa: S101 - there is one: it was just added, or was in the way
    return found


async def cancel(session: AsyncSession) -> SweepOut:
    """Ask the open sweep to stop; it does within seconds. Raises Problem 409 `evidence.no_sweep`."""
    if not await repository.cancel(session):
        raise Problem(
            "evidence.no_sweep",
            409,
            zh="当前没有正在进行的复核",
            en="no sweep is under way",
        )
    found = await newest(session)
    assert found is not None  # noqa: S101 - it was just changed
    return found


async def newest(session: AsyncSession) -> SweepOut | None:
    """The newest sweep with its report."""
    row = await repository.newest(session)
    return None if row is None else await _shown(session, row)


async def summary(session: AsyncSession) -> dict[str, Any]:
    """The newest sweep in a few words, for the health page: {state, verdict, finished_at, counts}."""
    row = await repository.newest(session)
    if row is None:
        return {"state": "never", "verdict": "never"}
    counts = await repository.counts(session, row.id)
    return {
        "state": row.state,
        "verdict": verdict(row.state, counts),
        "finished_at": rfc3339(row.finished_at) if row.finished_at else None,
        "objects_done": row.objects_done,
        "objects_total": row.objects_total,
        "counts": counts,
    }


async def _shown(session: AsyncSession, row: Sweep) -> SweepOut:
    counts = dict.fromkeys(KINDS, 0) | await repository.counts(session, row.id)
    found = await repository.findings(session, row.id, _SHOWN)
    return SweepOut(
        id=row.id,
        state=row.state,
        verdict=verdict(row.state, counts),
        requested_by=row.requested_by,
        requested_at=rfc3339(row.requested_at),
        started_at=rfc3339(row.started_at) if row.started_at else None,
        finished_at=rfc3339(row.finished_at) if row.finished_at else None,
        phase=row.phase,
        objects_done=row.objects_done,
        objects_total=row.objects_total,
        bytes_done=row.bytes_done,
        bytes_total=row.bytes_total,
        listed=row.listed,
        counts=counts,
        findings=[
            FindingOut(name=one.name, kind=one.kind, detail=one.detail, evidence_ids=one.evidence_ids)
            for one in found
        ],
        last_error=row.last_error,
    )
