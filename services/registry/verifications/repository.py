"""SQL of verifications; every read for a person is scoped here, by the check's region and the presence's."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.scope import region_filter, region_prefix
from services.registry.presences.models import Presence
from services.registry.search.repository import capped_count
from services.registry.search.rules import fold, like_pattern, query_grams
from services.registry.verifications.models import StatusStep, Verification, VerificationPlan
from services.registry.verifications.schemas import VerificationQuery

_PRESENCE = (
    Presence.no.label("no"),
    Presence.id.label("presence_id"),
    Presence.name.label("presence_name"),
    Presence.status.label("presence_status"),
    Presence.url,
    Presence.region_code.label("presence_region"),
    Presence.claim_state,
    func.coalesce(Presence.authority_code, Presence.org_code).label("authority_code"),
)


def _seen(claims: Claims) -> list[ColumnElement[bool]]:
    return [
        region_filter(Verification.region_code, claims),
        region_filter(Presence.region_code, claims),
        Presence.no == Verification.presence_no,
    ]


def _named(query: str | None) -> list[ColumnElement[bool]]:
    if not query or not fold(query):
        return []
    contains = Presence.search_text.like(like_pattern(query), escape="\\")
    grams = query_grams(query)
    return [Presence.grams.contains(grams), contains] if grams else [contains]


async def page(
    session: AsyncSession, claims: Claims, query: VerificationQuery, after: tuple[datetime, str] | None
) -> tuple[list[tuple[Verification, Mapping[str, Any]]], int, bool]:
    """One row more than the page of visible checks, the earliest due first, and their capped count."""
    conditions = [*_seen(claims), Verification.state == query.state, *_named(query.q)]
    if query.check_class:
        conditions.append(Verification.check_class == query.check_class)
    if query.when:
        now = utc_now()
        conditions.append(Verification.due_at <= now if query.when == "now" else Verification.due_at > now)
    statement = select(Verification, *_PRESENCE).where(*conditions)
    if after is not None:
        statement = statement.where(tuple_(Verification.due_at, Verification.id) > after)
    statement = statement.order_by(Verification.due_at, Verification.id).limit(query.limit + 1)
    rows: Any = await session.execute(statement)
    total, capped = await capped_count(session, conditions)
    return [(row[0], row._mapping) for row in rows], total, capped


async def visible(
    session: AsyncSession, claims: Claims, verification_id: str, *, lock: bool = False
) -> tuple[Verification, Mapping[str, Any]] | None:
    """The check with this id when the caller may see it; with `lock` both rows held until the end."""
    statement = select(Verification, *_PRESENCE).where(*_seen(claims), Verification.id == verification_id)
    found: Any = await session.execute(
        statement.with_for_update(of=[Verification, Presence]) if lock else statement
    )
    row = found.one_or_none()
    return None if row is None else (row[0], row._mapping)


async def presence(session: AsyncSession, claims: Claims, presence_id: str) -> Mapping[str, Any] | None:
    """What the checks need of a presence, when the caller may see it."""
    conditions = (Presence.id == presence_id, region_filter(Presence.region_code, claims))
    found: Any = await session.execute(select(*_PRESENCE).where(*conditions))
    row = found.one_or_none()
    return None if row is None else row._mapping


async def presences(
    session: AsyncSession, claims: Claims, ids: Sequence[str], *, lock: bool
) -> list[Mapping[str, Any]]:
    """The same of several, in order of number; those not visible are left out."""
    statement = (
        select(*_PRESENCE)
        .where(Presence.id.in_(ids), region_filter(Presence.region_code, claims))
        .order_by(Presence.no)
    )
    rows: Any = await session.execute(statement.with_for_update() if lock else statement)
    return [row._mapping for row in rows]


async def checks_of(session: AsyncSession, presence_no: int) -> list[Verification]:
    """The newest hundred checks of a presence. Readers have already checked that the caller may see it."""
    statement = select(Verification).where(Verification.presence_no == presence_no)
    return list((await session.scalars(statement.order_by(Verification.id.desc()).limit(100))).all())


async def steps_of(session: AsyncSession, presence_no: int) -> list[StatusStep]:
    """All changes of a presence's standing, oldest first; for readers as above."""
    statement = select(StatusStep).where(StatusStep.presence_no == presence_no).order_by(StatusStep.seq)
    return list((await session.scalars(statement)).all())


async def counts(session: AsyncSession, claims: Claims, now: datetime) -> list[tuple[str, str, int, int]]:
    """(class, state, number, number overdue) of the checks the caller may see."""
    late = func.count().filter(and_(Verification.state == "due", Verification.due_at <= now))
    statement = (
        select(Verification.check_class, Verification.state, func.count(), late)
        .where(region_filter(Verification.region_code, claims))
        .group_by(Verification.check_class, Verification.state)
    )
    return [(row[0], row[1], row[2], row[3]) for row in await session.execute(statement)]


async def add(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> int:
    """Insert checks; a presence with an open check of the class is left out. Gives how many."""
    if not rows:
        return 0
    statement = insert(Verification).on_conflict_do_nothing(
        index_elements=["presence_no", "check_class"], index_where=text("state = 'due'")
    )
    added = await session.execute(statement.returning(Verification.id), list(rows))
    return len(added.all())


async def cancel_open(session: AsyncSession, nos: Sequence[int], reason: str, at: datetime) -> None:
    """Cancel the open checks of presences that are weeded out."""
    statement = (
        update(Verification)
        .where(Verification.presence_no.in_(nos), Verification.state == "due")
        .values(state="cancelled", reason=reason, done_at=at, version=Verification.version + 1)
        .execution_options(synchronize_session=False)
    )
    await session.execute(statement)


_STATUS = text(
    "UPDATE presences AS p SET status = g.status"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(no bigint, status text) WHERE p.no = g.no"
)


async def set_status(session: AsyncSession, claims: Claims, steps: Sequence[dict[str, Any]]) -> None:
    """Change the standing of presences this transaction holds, and note each change with its author."""
    if not steps:
        return
    rows = [{"no": step["presence_no"], "status": step["to_status"]} for step in steps]
    await session.execute(_STATUS, {"rows": json.dumps(rows)})
    author = {"actor": claims.sub, "actor_name": claims.name, "org_code": claims.org}
    author["org_name"] = claims.org_name[:100]
    await session.execute(insert(StatusStep), [{**step, **author} for step in steps])


async def set_alive(session: AsyncSession, presence_no: int, alive: bool, at: datetime) -> None:
    """Keep what a check found of a presence's link."""
    statement = update(Presence).where(Presence.no == presence_no)
    values = {"alive": alive, "last_checked_at": at}
    await session.execute(statement.values(**values).execution_options(synchronize_session=False))


async def weeded(
    session: AsyncSession, claims: Claims, after: str | None, limit: int
) -> list[Mapping[str, Any]]:
    """One row more than the page of weeded presences with the step that weeded them, newest entry first."""
    one = aliased(StatusStep)
    last = (
        select(func.max(one.seq))
        .where(one.presence_no == Presence.no, one.action == "weed")
        .correlate(Presence)
        .scalar_subquery()
    )
    statement = (
        select(
            Presence.id,
            Presence.name,
            Presence.region_code,
            StatusStep.reason_code,
            StatusStep.reason,
            StatusStep.actor_name.label("actor"),
            StatusStep.at,
        )
        .outerjoin(StatusStep, StatusStep.seq == last)
        .where(Presence.status == "weeded", region_filter(Presence.region_code, claims))
    )
    if after is not None:
        statement = statement.where(Presence.id < after)
    rows: Any = await session.execute(statement.order_by(Presence.id.desc()).limit(limit + 1))
    return [row._mapping for row in rows]


async def add_plan(session: AsyncSession, plan: VerificationPlan) -> None:
    """Insert a plan."""
    session.add(plan)
    await session.flush()


async def plans(session: AsyncSession, claims: Claims) -> list[VerificationPlan]:
    """The plans whose area lies in the caller's, newest first."""
    statement = select(VerificationPlan).where(region_filter(VerificationPlan.region_code, claims))
    return list((await session.scalars(statement.order_by(VerificationPlan.id.desc()).limit(500))).all())


async def visible_plan(
    session: AsyncSession, claims: Claims, plan_id: str, *, lock: bool = False
) -> VerificationPlan | None:
    """The plan with this id when the caller may see it."""
    statement = select(VerificationPlan).where(
        VerificationPlan.id == plan_id, region_filter(VerificationPlan.region_code, claims)
    )
    found = await session.scalars(statement.with_for_update() if lock else statement)
    return found.one_or_none()


async def next_plan(session: AsyncSession, before: datetime) -> VerificationPlan | None:
    """A plan under way, or an active one last run before then; held until the transaction ends."""
    late = or_(VerificationPlan.last_run_at.is_(None), VerificationPlan.last_run_at < before)
    due = and_(VerificationPlan.active, late)
    statement = (
        select(VerificationPlan)
        .where(VerificationPlan.upto.is_not(None) | due)
        .order_by(VerificationPlan.upto.is_(None), VerificationPlan.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def planned_chunk(session: AsyncSession, plan: VerificationPlan, limit: int) -> list[Any]:
    """The next presences of a plan's round: number, region, and when this class was last checked."""
    last = (
        select(func.max(Verification.done_at))
        .where(
            Verification.presence_no == Presence.no,
            Verification.check_class == plan.check_class,
            Verification.state.in_(("passed", "failed", "unclear")),
        )
        .scalar_subquery()
    )
    statement = select(Presence.no, Presence.region_code, last.label("last")).where(
        Presence.no > plan.cursor,
        Presence.no <= plan.upto,
        Presence.region_code.startswith(region_prefix(plan.region_code), autoescape=True),
        Presence.status.in_(("active", "dead")),
    )
    if plan.only_claimed:
        statement = statement.where(Presence.claim_state == "claimed")
    if plan.channel:
        statement = statement.where(Presence.channel == plan.channel)
    if plan.platform:
        statement = statement.where(Presence.platform == plan.platform)
    if plan.check_class == "dead_link":
        statement = statement.where(Presence.url.is_not(None))
    return list((await session.execute(statement.order_by(Presence.no).limit(limit))).all())


async def highest_no(session: AsyncSession) -> int:
    """The highest number a presence has now (0 when there is none)."""
    return (await session.execute(select(func.coalesce(func.max(Presence.no), 0)))).scalar_one()
