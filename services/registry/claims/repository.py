"""SQL of claims; every read for a person is scoped by region here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.scope import region_filter, region_prefix
from services.registry.claims.machine import CLAIM, OPEN_OFFERS
from services.registry.claims.models import ClaimJob, ClaimStep
from services.registry.claims.rules import Authority, Held, Step
from services.registry.claims.schemas import ClaimQuery, Selection
from services.registry.organisations.models import Organisation
from services.registry.presences.models import Presence
from services.registry.regions.models import RegionAlias
from services.registry.search.repository import capped_count, newest_first
from services.registry.search.rules import fold, like_pattern, query_grams
from services.registry.subjects.models import Subject

_HELD = (
    Presence.no,
    Presence.id,
    Presence.claim_state,
    Presence.claim_version,
    Presence.status,
    Presence.channel,
    Presence.region_code,
    # Until somebody decides, the authority that entered or imported it answers for it.
    func.coalesce(Presence.authority_code, Presence.org_code),
    Presence.offered_code,
    Presence.assigner_code,
    Presence.match_code,
    Presence.match_confidence,
)
_STEP = tuple(field.name for field in fields(Step))
_NAMES = (Presence.name, Presence.platform, Presence.claim_at)


async def authorities(session: AsyncSession) -> dict[str, Authority]:
    """All authorities by code."""
    columns = (Organisation.code, Organisation.region_code, Organisation.kind, Organisation.parent_code)
    return {
        row.code: Authority(row.code, row.region_code, row.kind, row.parent_code)
        for row in await session.execute(select(*columns))
    }


async def zone_areas(session: AsyncSession) -> list[tuple[str, str, list[dict[str, str]]]]:
    """Code, name and area of the bureaux of function zones."""
    query = select(Organisation.code, Organisation.name, Organisation.area).where(Organisation.kind == "zone")
    return [(row.code, row.name, row.area) for row in await session.execute(query)]


async def successors(session: AsyncSession) -> dict[str, str]:
    """Today's code of each division code that was given up."""
    rows = await session.execute(select(RegionAlias.code, RegionAlias.successor))
    return {row.code: row.successor for row in rows}


def _of_query(claims: Claims, query: ClaimQuery) -> list[ColumnElement[bool]]:
    states = [query.state] if query.state else list(OPEN_OFFERS) if query.inbox else []
    selection = Selection(
        states=states,
        region_code=query.region_code,
        match_code=query.match_code,
        offered_code=claims.org if query.inbox else None,
        min_confidence=query.min_confidence,
        channel=query.channel,
        q=query.q,
    )
    return selected(claims, selection)


def _named(query: str | None) -> list[ColumnElement[bool]]:
    """The name or a number holds the text; contacts are not searched here."""
    if not query or not fold(query):
        return []
    contains = Presence.search_text.like(like_pattern(query), escape="\\")
    grams = query_grams(query)
    return [Presence.grams.contains(grams), contains] if grams else [contains]


# What is weeded or merged has nothing left to settle: in no list of claims, in no count of them.
_UNSETTLED = Presence.status.in_(("active", "dead"))


def selected(claims: Claims, selection: Selection) -> list[ColumnElement[bool]]:
    """The conditions of a selection, within what the caller may see."""
    conditions = [region_filter(Presence.region_code, claims), *_named(selection.q)]
    if selection.ids is not None:
        conditions.append(Presence.id.in_(selection.ids))
    if selection.states:
        conditions.append(Presence.claim_state.in_(selection.states))
    if selection.region_code:
        within = Presence.region_code.startswith(region_prefix(selection.region_code), autoescape=True)
        conditions.append(within)
    if selection.match_code:
        conditions.append(Presence.match_code == selection.match_code)
    if selection.offered_code:
        conditions.append(Presence.offered_code == selection.offered_code)
    if selection.min_confidence is not None:
        conditions.append(Presence.match_confidence >= selection.min_confidence)
    if selection.channel:
        conditions.append(Presence.channel == selection.channel.value)
    if selection.platform:
        conditions.append(Presence.platform == selection.platform)
    if selection.status:
        conditions.append(Presence.status == selection.status)
    elif selection.ids is None:  # who names a presence is told why nothing is done with it
        conditions.append(_UNSETTLED)
    if selection.import_id:
        conditions.append(Presence.import_id == selection.import_id)
    return conditions


def _held(row: Any) -> Held:
    return Held(*row[: len(_HELD)])


async def page(
    session: AsyncSession, claims: Claims, query: ClaimQuery
) -> tuple[list[tuple[Held, Mapping[str, Any]]], int, bool]:
    """One row more than the page of visible claims, newest first, and their capped count."""
    conditions = _of_query(claims, query)
    statement: Any = select(*_HELD, *_NAMES).where(*conditions)
    rows = await session.execute(newest_first(statement, Presence.id, query.after, query.limit))
    total, capped = await capped_count(session, conditions)
    return [(_held(row), row._mapping) for row in rows], total, capped


async def visible(
    session: AsyncSession, claims: Claims, presence_id: str, *, lock: bool = False
) -> tuple[Held, Mapping[str, Any]] | None:
    """The presence with this id when the caller may see it; with `lock` held until the transaction ends."""
    more = (Presence.url, Presence.licence, Presence.subject_id, Presence.created_at, Presence.import_id)
    statement = select(*_HELD, *_NAMES, *more).where(
        Presence.id == presence_id, region_filter(Presence.region_code, claims)
    )
    found: Any = await session.execute(statement.with_for_update() if lock else statement)
    row = found.one_or_none()
    return None if row is None else (_held(row), row._mapping)


async def chunk(
    session: AsyncSession,
    claims: Claims,
    selection: Selection,
    bounds: tuple[int, int],
    limit: int,
    *,
    lock: bool = False,
) -> list[tuple[Held, Mapping[str, Any]]]:
    """The next presences of a selection with a number in (after, upto], in order; with `lock` for change."""
    after, upto = bounds
    statement = (
        select(*_HELD, *_NAMES)
        .where(*selected(claims, selection), Presence.no > after, Presence.no <= upto)
        .order_by(Presence.no)
        .limit(limit)
    )
    rows: Any = await session.execute(statement.with_for_update() if lock else statement)
    return [(_held(row), row._mapping) for row in rows]


async def highest_no(session: AsyncSession) -> int:
    """The highest number a presence has now (0 when there is none)."""
    return (await session.execute(select(func.coalesce(func.max(Presence.no), 0)))).scalar_one()


async def count(session: AsyncSession, claims: Claims, selection: Selection, upto: int, most: int) -> int:
    """How many presences a selection has, counted to `most` + 1."""
    inner = select(1).where(*selected(claims, selection), Presence.no <= upto).limit(most + 1).subquery()
    return (await session.execute(select(func.count()).select_from(inner))).scalar_one()


async def counts(session: AsyncSession, claims: Claims) -> list[tuple[str, str, int]]:
    """(region, state, number of presences) of the caller's area; weeded and merged ones not counted."""
    statement = (
        select(Presence.region_code, Presence.claim_state, func.count())
        .where(region_filter(Presence.region_code, claims), _UNSETTLED)
        .group_by(Presence.region_code, Presence.claim_state)
        .order_by(Presence.region_code, Presence.claim_state)
    )
    return [(row[0], row[1], row[2]) for row in await session.execute(statement)]


_ADDRESSES = select(
    Presence.no,
    Presence.id,
    Presence.personal,
    Presence.licence,
    Subject.id.label("subject_id"),
    Subject.personal.label("subject_personal"),
    Subject.licence.label("subject_licence"),
).outerjoin(Subject, Subject.id == Presence.subject_id)


async def addresses(session: AsyncSession, nos: Sequence[int]) -> list[Any]:
    """For matching: number, sealed values and licence of presences, and the same of their subjects."""
    return list((await session.execute(_ADDRESSES.where(Presence.no.in_(nos)))).all())


async def addresses_after(session: AsyncSession, after: int, limit: int) -> list[Any]:
    """The same of the presences that follow a number; not locked."""
    following = _ADDRESSES.where(Presence.no > after).order_by(Presence.no).limit(limit)
    return list((await session.execute(following)).all())


_MOVE = text(
    "UPDATE presences AS p SET claim_state = g.state, claim_version = g.version, claim_at = :at,"
    " authority_code = g.authority, offered_code = g.offered, assigner_code = g.assigner,"
    " region_code = g.region, match_code = g.match, match_confidence = g.confidence"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(no bigint, state text, version int, authority text,"
    " offered text, assigner text, region text, match text, confidence smallint)"
    " WHERE p.no = g.no AND p.claim_version = g.version - 1"
)
_NOTE = text(
    "INSERT INTO claim_steps (presence_no, version, machine_version, action, from_state, to_state,"
    " authority_before, authority_code, offered_code, region_code, basis, reason_code, reason, confidence,"
    " job_id, actor, actor_name, org_code, org_name, at)"
    " SELECT no, version, :machine_version, action, from_state, state, authority_before, authority, offered,"
    " region, basis, reason_code, reason, confidence, :job_id, :actor, :actor_name, :org_code, :org_name, :at"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(no bigint, version int, action text,"
    " from_state text, state text, authority_before text, authority text, offered text, region text,"
    " basis text, reason_code text, reason text, confidence smallint) ORDER BY no"
)


# Checks that are still due go with their presence to the authority that sees it now.
_FOLLOW = text(
    "UPDATE verifications AS v SET region_code = g.region"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS g(no bigint, region text)"
    " WHERE v.presence_no = g.no AND v.state = 'due' AND v.region_code <> g.region"
)


async def move(
    session: AsyncSession,
    claims: Claims,
    steps: Sequence[tuple[Held, Step]],
    at: datetime,
    job_id: str | None = None,
) -> None:
    """Take steps of presences this transaction has locked, and note each in the history.

    Raises RuntimeError when a presence has moved since it was read: it was not locked.
    """
    if not steps:
        return
    rows = [
        {
            **{name: getattr(step, name) for name in _STEP},
            "no": held.no,
            "from_state": held.state,
            "authority_before": held.authority,
        }
        for held, step in steps
    ]
    given = json.dumps(rows, ensure_ascii=False)
    moved: Any = await session.execute(_MOVE, {"rows": given, "at": at})
    if moved.rowcount != len(steps):
        raise RuntimeError(f"{len(steps) - moved.rowcount} presences moved under a lock")
    await session.execute(_FOLLOW, {"rows": given})
    author = {
        "actor": claims.sub,
        "actor_name": claims.name,
        "org_code": claims.org,
        "org_name": claims.org_name[:100],
    }
    noted = {"rows": given, "at": at, "job_id": job_id, "machine_version": CLAIM.version}
    await session.execute(_NOTE, {**noted, **author})


async def history(session: AsyncSession, presence_no: int) -> list[ClaimStep]:
    """All steps of a presence, oldest first. Readers have already checked that the caller may see it."""
    statement = select(ClaimStep).where(ClaimStep.presence_no == presence_no).order_by(ClaimStep.version)
    return list((await session.scalars(statement)).all())


async def add_job(session: AsyncSession, job: ClaimJob) -> None:
    """Insert a job."""
    session.add(job)
    await session.flush()


async def job_of_key(session: AsyncSession, created_by: str, key: str) -> ClaimJob | None:
    """The job a person named so."""
    statement = select(ClaimJob).where(ClaimJob.created_by == created_by, ClaimJob.key == key)
    return (await session.scalars(statement)).one_or_none()


async def jobs(session: AsyncSession, claims: Claims, after: str | None, limit: int) -> list[ClaimJob]:
    """One row more than the page of the caller's area's jobs, newest first."""
    statement = select(ClaimJob).where(_job_scope(claims))
    return list((await session.scalars(newest_first(statement, ClaimJob.id, after, limit))).all())


async def visible_job(session: AsyncSession, claims: Claims, job_id: str) -> ClaimJob | None:
    """The job with this id when the caller may see it."""
    statement = select(ClaimJob).where(ClaimJob.id == job_id, _job_scope(claims))
    return (await session.scalars(statement)).one_or_none()


def _job_scope(claims: Claims) -> ColumnElement[bool]:
    return or_(ClaimJob.created_by == claims.sub, region_filter(ClaimJob.region_code, claims))


async def cancel_job(session: AsyncSession, job_id: str, at: datetime) -> bool:
    """Stop a job that is not finished; it stops after the chunk it is at. Gives whether there was one."""
    statement = (
        update(ClaimJob)
        .where(ClaimJob.id == job_id, ClaimJob.state.in_(("queued", "running")))
        .values(state="cancelled", finished_at=at, updated_at=at)
        .returning(ClaimJob.id)
    )
    return (await session.execute(statement)).first() is not None


async def next_job(session: AsyncSession) -> ClaimJob | None:
    """The oldest unfinished job nobody is at, held until the transaction ends."""
    statement = (
        select(ClaimJob)
        .where(ClaimJob.state.in_(("queued", "running")))
        .order_by(ClaimJob.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(statement)).one_or_none()
