"""All SQL of captures; rows are scoped by region here."""

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, and_, case, cast, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from services.common.identity import Claims
from services.common.scope import region_filter
from services.crawler.captures.models import Capture, CaptureStep, CaptureWorker
from services.crawler.captures.rules import LEASE_SECONDS

_LEASE = text(f"now() + interval '{LEASE_SECONDS} seconds'")


async def add(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert an order; False when its idempotency key was used before."""
    query = insert(Capture).values(**values).on_conflict_do_nothing().returning(Capture.id)
    return (await session.execute(query)).first() is not None


async def by_key(session: AsyncSession, sub: str, key: str) -> Capture | None:
    """The order a person gave under an idempotency key."""
    query = select(Capture).where(Capture.ordered_sub == sub, Capture.idempotency_key == key)
    return (await session.execute(query)).scalar_one_or_none()


async def visible(
    session: AsyncSession, capture_id: str, claims: Claims, *, lock: bool = False
) -> Capture | None:
    """A capture in the caller's region."""
    query = select(Capture).where(Capture.id == capture_id, region_filter(Capture.region_code, claims))
    query = query.execution_options(populate_existing=True)
    return (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def page(
    session: AsyncSession, claims: Claims, *, q: str | None, state: str | None, before: str | None, limit: int
) -> list[Capture]:
    """Captures in the caller's region, newest first, at most `limit`."""
    query = select(Capture).where(region_filter(Capture.region_code, claims))
    if q:
        query = query.where(
            or_(Capture.url.icontains(q, autoescape=True), Capture.title.icontains(q, autoescape=True),
                Capture.evidence_no == q, Capture.id == q)
        )  # fmt: skip
    if state:
        query = query.where(Capture.state == state)
    if before:
        query = query.where(Capture.id < before)
    return list((await session.execute(query.order_by(Capture.id.desc()).limit(limit))).scalars())


async def has_manifest(session: AsyncSession, capture_id: str) -> bool:
    """Whether the signed manifest is stored."""
    query = select(Capture.id).where(Capture.id == capture_id, Capture.envelope.is_not(None))
    return (await session.execute(query)).first() is not None


async def cancel(session: AsyncSession, capture_id: str, actor: dict[str, str]) -> None:
    """Cancel a waiting capture, mark a running one for its worker."""
    reason = {"code": "cancelled", "zh": f"由{actor['name']}取消", "en": f"cancelled by {actor['name']}"}
    waiting = Capture.state == "queued"
    query = update(Capture).where(Capture.id == capture_id).values(
        cancel_requested=True,
        reason=reason,
        state=case((waiting, "cancelled"), else_=Capture.state),
        finished_at=case((waiting, func.now()), else_=None),
    )  # fmt: skip
    await session.execute(query, execution_options={"synchronize_session": False})


async def steps(session: AsyncSession, capture_id: str, since: int = 0) -> list[CaptureStep]:
    """Steps of a capture from `since` on, in order."""
    query = select(CaptureStep).where(CaptureStep.capture_id == capture_id, CaptureStep.seq >= since)
    query = query.order_by(CaptureStep.seq).execution_options(populate_existing=True)
    return list((await session.execute(query)).scalars())


async def claim(session: AsyncSession, capture_id: str, owner: str) -> Capture | None:
    """Take a waiting capture, or one whose worker's lease ran out; None when there is nothing to take."""
    query = (
        update(Capture)
        .where(
            Capture.id == capture_id,
            or_(
                and_(Capture.state == "queued", Capture.not_before <= func.now()),
                and_(Capture.state == "running", Capture.lease_until < func.now()),
            ),
        )
        .values(
            crashes=Capture.crashes + cast(Capture.state == "running", Integer),
            state="running",
            attempt=Capture.attempt + 1,
            lease_owner=owner,
            lease_until=_LEASE,
        )
        .returning(Capture.id)
    )
    if (await session.execute(query)).first() is None:
        return None
    return await session.get(
        Capture, capture_id, options=[undefer(Capture.envelope), undefer(Capture.artefacts)]
    )


def _held(capture_id: str, attempt: int) -> Any:
    """Condition: this attempt still holds the capture."""
    return and_(Capture.id == capture_id, Capture.attempt == attempt, Capture.state == "running")


async def extend(session: AsyncSession, capture_id: str, attempt: int) -> bool | None:
    """Keep the lease; gives whether a cancel was asked for, None when the lease is lost."""
    query = (
        update(Capture)
        .where(_held(capture_id, attempt))
        .values(lease_until=_LEASE)
        .returning(Capture.cancel_requested)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def change(session: AsyncSession, capture_id: str, attempt: int, values: dict[str, Any]) -> bool:
    """Write results of an attempt; False when that attempt no longer holds the capture."""
    query = update(Capture).where(_held(capture_id, attempt)).values(**values).returning(Capture.id)
    return (await session.execute(query)).first() is not None


async def keep_manifest(session: AsyncSession, capture_id: str, attempt: int, values: dict[str, Any]) -> bool:
    """Store the signed manifest unless a cancel came first; from here on the capture will be sealed."""
    query = (
        update(Capture)
        .where(_held(capture_id, attempt), Capture.cancel_requested.is_(False))
        .values(**values)
        .returning(Capture.id)
    )
    return (await session.execute(query)).first() is not None


async def release(
    session: AsyncSession, capture_id: str, attempt: int, seconds: int, reason: dict[str, Any]
) -> bool:
    """Give a capture back to the queue for later."""
    values = {
        "state": "queued",
        "lease_until": None,
        "failures": Capture.failures + 1,
        "last_error": reason,
        "not_before": func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
    }
    return await change(session, capture_id, attempt, values)


async def start_step(session: AsyncSession, attempt: int, step: dict[str, Any]) -> int | None:
    """Add a step with the next number; None when the attempt no longer holds the capture."""
    held = select(Capture.id).where(_held(step["capture_id"], attempt)).with_for_update(read=True)
    if (await session.execute(held)).first() is None:
        return None
    newest = select(func.coalesce(func.max(CaptureStep.seq), 0)).where(
        CaptureStep.capture_id == step["capture_id"]
    )
    seq = int((await session.execute(newest)).scalar_one()) + 1
    await session.execute(insert(CaptureStep).values(seq=seq, **step))
    return seq


async def end_step(
    session: AsyncSession, capture_id: str, seq: int, state: str, ms: int, detail: dict[str, Any]
) -> None:
    """Close a running step."""
    query = update(CaptureStep).where(
        CaptureStep.capture_id == capture_id, CaptureStep.seq == seq, CaptureStep.state == "running"
    )
    await session.execute(query.values(state=state, ms=ms, detail=detail))


async def interrupt_steps(session: AsyncSession, capture_id: str, why: dict[str, str]) -> None:
    """Close steps an earlier attempt left running."""
    query = update(CaptureStep).where(CaptureStep.capture_id == capture_id, CaptureStep.state == "running")
    await session.execute(query.values(state="failed", detail=why))


async def to_remind(session: AsyncSession, limit: int, seconds: int) -> list[str]:
    """Captures whose queue message may be lost: due and not sent lately, or with a lease that ran out."""
    due = and_(
        Capture.state == "queued",
        Capture.not_before <= func.now(),
        or_(
            Capture.sent_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, seconds),
            Capture.sent_at < Capture.not_before,
        ),
    )
    lapsed = and_(
        Capture.state == "running",
        Capture.lease_until < func.now(),
        Capture.sent_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, 5),
    )
    found = (
        select(Capture.id)
        .where(or_(due, lapsed))
        .order_by(Capture.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    query = update(Capture).where(Capture.id.in_(found)).values(sent_at=func.now())
    return sorted((await session.execute(query.returning(Capture.id))).scalars())


async def ended(session: AsyncSession, capture_ids: list[str]) -> list[str]:
    """Which of these captures are sealed or cancelled, so that nothing of them is needed here any more."""
    query = select(Capture.id).where(Capture.id.in_(capture_ids), Capture.state.in_(("sealed", "cancelled")))
    return list((await session.execute(query)).scalars())


async def report_worker(session: AsyncSession, name: str, facts: dict[str, Any]) -> None:
    """Note that a worker lives."""
    query = insert(CaptureWorker).values(name=name, facts=facts, seen_at=func.now())
    await session.execute(
        query.on_conflict_do_update(index_elements=["name"], set_={"facts": facts, "seen_at": func.now()})
    )
    old = CaptureWorker.seen_at < func.now() - text("interval '1 day'")
    await session.execute(delete(CaptureWorker).where(old))


async def living_workers(session: AsyncSession, seconds: int) -> list[dict[str, Any]]:
    """What the workers that reported within `seconds` say of themselves."""
    since = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    rows = (await session.execute(select(CaptureWorker).where(CaptureWorker.seen_at > since))).scalars()
    return [{"name": row.name, **row.facts} for row in rows]


async def waiting(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many captures wait, and since when the oldest does."""
    query = select(func.count(), func.min(Capture.created_at)).where(Capture.state == "queued")
    count, oldest = (await session.execute(query)).one()
    return int(count), oldest
