"""Use cases over many presences: preview, order as one job, run it chunk by chunk, stop it."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.bulk import Settling, durable, in_batches
from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page, decode_cursor, encode_cursor
from services.common.problems import Problem, not_found
from services.common.workflow import Transition
from services.registry.claims import repository
from services.registry.claims.models import ClaimJob
from services.registry.claims.rules import Authority, Held, Order, Step, check_order, judge
from services.registry.claims.schemas import (
    BulkIn,
    ClaimJobOut,
    ClaimPreview,
    JobIn,
    MatchIn,
    Selection,
    SkippedOut,
)
from services.registry.claims.service import row_of
from services.registry.verifications import standing

MOST: Final = 300_000
"""Presences one order may be for: a whole province's."""
CHUNK: Final = 2_000
_PORTION: Final = 48
"""Chunks whose tokens are sorted in at once, about 120 MB."""
SAMPLE: Final = 20
_SKIPS: Final[dict[str, tuple[str, str]]] = {
    "workflow.illegal_transition": ("当前状态不能执行该操作", "not possible in its state now"),
    "workflow.not_yours": ("不由本单位办理", "not for this authority"),
    "claim.settled": ("已剔除或已合并", "weeded out or merged"),
    "claim.no_match": ("尚未匹配到单位", "not matched to an authority"),
    "claim.already": ("已在该单位名下", "with that authority already"),
    "claim.authority": ("匹配的单位不在本辖区", "its matched authority is outside your area"),
    "claim.no_superior": ("找不到可以接收退回的上级单位", "no superior to give it back to"),
    "claim.standing": ("当前在册状态不能执行该操作", "not possible in its standing now"),
    "unplaced": ("地址不足以判断属地", "its address does not tell where it belongs"),
}


@dataclass
class Judged:
    """What an order does to the presences seen so far."""

    steps: list[tuple[Held, Step]] = field(default_factory=list)
    standings: list[tuple[int, str, Transition]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    sample: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def take(
        self, claims: Claims, held: Held, name: str, order: Order, authorities: Mapping[str, Authority]
    ) -> bool:
        """Judge one presence; gives whether the order changes it."""
        if order.action in standing.ORDERED:
            change = standing.possible(held.status, order.action)
            if change is None:
                return self._skip("claim.standing", name)
            self.standings.append((held.no, held.status, change))
            return True
        try:
            self.steps.append((held, judge(claims, held, order, authorities)))
        except Problem as problem:
            if problem.code not in _SKIPS:
                raise
            return self._skip(problem.code, name)
        return True

    def _skip(self, code: str, name: str) -> bool:
        self.skipped[code] += 1
        if len(self.sample[code]) < SAMPLE:
            self.sample[code].append(name)
        return False


async def preview(session: AsyncSession, claims: Claims, given: BulkIn) -> ClaimPreview:
    """What an order would do, presence by presence; nothing is changed.

    Raises 422 `claim.too_many` for more than 300,000, and what the order itself is refused for.
    """
    order = Order(**given.order.model_dump())
    authorities = await repository.authorities(session)
    _check(claims, order, authorities)
    upto = await repository.highest_no(session)
    await _count(session, claims, given.selection, upto)
    judged, total, change, after = Judged(), 0, 0, 0
    shown: list[Any] = []
    by_authority: Counter[str] = Counter()
    while rows := await repository.chunk(session, claims, given.selection, (after, upto), CHUNK):
        total, after = total + len(rows), rows[-1][0].no
        for held, facts in rows:
            changes = judged.take(claims, held, facts["name"], order, authorities)
            change += changes
            if changes and len(shown) < SAMPLE:
                shown.append(row_of(held, facts))
        for _, step in judged.steps:
            by_authority[step.offered or step.authority] += 1
        judged.steps.clear()
        judged.standings.clear()
    return ClaimPreview(
        total=total,
        change=change,
        sample=shown,
        skipped=_skipped(judged.skipped, judged.sample),
        by_authority=dict(by_authority.most_common()),
    )


async def order_job(session: AsyncSession, claims: Claims, given: JobIn) -> ClaimJobOut:
    """Order a change of many presences as one job; asked for twice with one key it is one job.

    Raises 409 `claim.preview_stale` when the selection no longer has as many presences as the preview said,
    422 `claim.too_many`, and what the order itself is refused for.
    """
    known = await repository.job_of_key(session, claims.sub, given.key)
    if known:
        return job_out(known)
    order = Order(**given.order.model_dump())
    _check(claims, order, await repository.authorities(session))
    upto = await repository.highest_no(session)
    total = await _count(session, claims, given.selection, upto)
    if given.expected is not None and given.expected != total:
        raise _preview_stale(given.expected, total)
    selection = given.selection.model_dump(mode="json", exclude_none=True)
    facts = {"kind": "order", "order": given.order.model_dump(exclude_none=True), "selection": selection}
    return await _add(session, claims, given.key, upto, total, facts)


async def order_matching(session: AsyncSession, claims: Claims, given: MatchIn) -> ClaimJobOut:
    """Order a run of the automatic matching over the caller's area; the same key gives the same job."""
    known = await repository.job_of_key(session, claims.sub, given.key)
    if known:
        return job_out(known)
    upto = await repository.highest_no(session)
    selection = Selection(states=["imported", "candidate"], import_id=given.import_id)
    total = await repository.count(session, claims, selection, upto, 2**31 - 2)
    kept = selection.model_dump(mode="json", exclude_none=True)
    facts = {"kind": "match", "order": {"action": "match"}, "selection": kept}
    return await _add(session, claims, given.key, upto, total, facts)


async def _add(
    session: AsyncSession, claims: Claims, key: str, upto: int, total: int, facts: dict[str, Any]
) -> ClaimJobOut:
    now = utc_now()
    job = ClaimJob(
        id=new_id(),
        key=key,
        state="queued",
        caller=_kept(claims),
        upto=upto,
        cursor=0,
        total=total,
        done=0,
        changed=0,
        skipped={},
        org_code=claims.org,
        region_code=claims.region,
        created_by=claims.sub,
        created_at=now,
        updated_at=now,
        **facts,
    )
    await repository.add_job(session, job)
    after = {"order": facts["order"], "selection": facts["selection"], "total": total}
    await record(
        session, claims, event="claim_job.ordered", object_type="claim_job", object_id=job.id, after=after
    )
    return job_out(job)


async def list_jobs(
    session: AsyncSession, claims: Claims, cursor: str | None, limit: int
) -> Page[ClaimJobOut]:
    """Jobs of the caller's area, newest first."""
    after = str(decode_cursor(cursor)[0]) if cursor else None
    rows = await repository.jobs(session, claims, after, limit)
    shown = rows[:limit]
    return Page(
        items=[job_out(job) for job in shown],
        next_cursor=encode_cursor([shown[-1].id]) if len(rows) > limit else None,
    )


async def get_job(session: AsyncSession, claims: Claims, job_id: str) -> ClaimJobOut:
    """One job. Raises 404 when the caller may not see it."""
    job = await repository.visible_job(session, claims, job_id)
    if job is None:
        raise not_found("批量任务", "job")
    return job_out(job)


async def cancel_job(session: AsyncSession, claims: Claims, job_id: str) -> ClaimJobOut:
    """Stop a job after the chunk it is at; what was done stays done. Raises 404, 409 `claim.job_over`."""
    await get_job(session, claims, job_id)
    if not await repository.cancel_job(session, job_id, utc_now()):
        raise Problem("claim.job_over", 409, zh="该任务已结束", en="this job is over")
    await record(session, claims, event="claim_job.cancelled", object_type="claim_job", object_id=job_id)
    return await get_job(session, claims, job_id)


def settling_of(database: Database) -> Settling:
    """What sorts the tokens of changed presences into the index of search while a job goes on."""
    return Settling(database, ["ix_presences_search"], _PORTION)


async def run_chunk(database: Database, work: Any, settling: Settling) -> bool:
    """Do the next chunk of the oldest open job; gives whether there was one.

    Steps, counts and the place reached are one transaction: a chunk cut short is done again from its start,
    and nothing twice. work: what a chunk of a job of a kind does, see `tasks`.
    """
    async with database.transaction() as session:
        job = await repository.next_job(session)
        if job is None:
            return False
        await in_batches(session, settling=True)
        claims, now = Claims(**{**job.caller, "permissions": frozenset(job.caller["permissions"])}), utc_now()
        selection = Selection.model_validate(job.selection)
        bounds = (job.cursor, job.upto)
        rows = await repository.chunk(session, claims, selection, bounds, CHUNK, lock=True)
        judged: Judged = await work(session, job, claims, rows)
        await repository.move(session, claims, judged.steps, now, job.id)
        why = {name: job.order.get(name) for name in ("reason", "reason_code")}
        await standing.change(session, claims, judged.standings, now, **why)
        job.state, job.updated_at = "running", now
        job.done, job.changed = job.done + len(rows), job.changed + len(judged.steps) + len(judged.standings)
        job.skipped = dict(Counter(job.skipped) + judged.skipped)
        job.cursor = rows[-1][0].no if rows else job.upto
        over = len(rows) < CHUNK
        if over:
            await _finish(session, claims, job, now)
    settling.written()
    if over:
        await settling.end()
    return True


async def fail_job(database: Database, reason: str) -> None:
    """Mark the oldest open job as failed, with the reason; what was done stays done."""
    async with database.transaction() as session:
        job = await repository.next_job(session)
        if job is not None:
            job.state, job.error = "failed", reason[:500]
            job.finished_at = job.updated_at = utc_now()


async def _finish(session: AsyncSession, claims: Claims, job: ClaimJob, now: datetime) -> None:
    await durable(session)
    job.state, job.finished_at = "done", now
    after = {"done": job.done, "changed": job.changed, "skipped": job.skipped}
    await record(
        session, claims, event="claim_job.finished", object_type="claim_job", object_id=job.id, after=after
    )


async def judge_order(
    session: AsyncSession, job: ClaimJob, claims: Claims, rows: list[tuple[Held, Mapping[str, Any]]]
) -> Judged:
    """What a job's order does to a chunk."""
    order, judged = Order(**job.order), Judged()
    authorities = await repository.authorities(session)
    for held, facts in rows:
        judged.take(claims, held, facts["name"], order, authorities)
    return judged


def _check(claims: Claims, order: Order, authorities: Mapping[str, Authority]) -> None:
    if order.action in standing.ORDERED:
        standing.check(claims, order.action, order.reason_code, order.reason)
    else:
        check_order(claims, order, authorities)


async def _count(session: AsyncSession, claims: Claims, selection: Selection, upto: int) -> int:
    total = await repository.count(session, claims, selection, upto, MOST)
    if total > MOST:
        raise Problem(
            "claim.too_many",
            422,
            zh=f"一次最多办理 {MOST:,} 条",
            en=f"at most {MOST:,} at once",
            todo_zh="请缩小选择范围",
            todo_en="narrow the selection",
        )
    return total


def _preview_stale(expected: int, total: int) -> Problem:
    return Problem(
        "claim.preview_stale",
        409,
        zh=f"所选范围已变化：预览时 {expected:,} 条，现有 {total:,} 条",
        en=f"the selection has changed: {expected:,} at the preview, {total:,} now",
        todo_zh="请重新预览后再办理",
        todo_en="preview again before ordering",
        extra={"expected": expected, "total": total},
    )


def _kept(claims: Claims) -> dict[str, Any]:
    """What a job keeps of who ordered it: enough to judge and to sign its steps, no token."""
    return {
        "sub": claims.sub,
        "name": claims.name,
        "org": claims.org,
        "org_name": claims.org_name,
        "region": claims.region,
        "permissions": sorted(p for p in claims.permissions if p.startswith("registry:")),
        "request_id": claims.request_id,
        "client_ip": claims.client_ip,
    }


def job_out(job: ClaimJob) -> ClaimJobOut:
    """A job as the API shows it."""
    return ClaimJobOut(
        id=job.id,
        kind=job.kind,
        state=job.state,
        order=job.order,
        selection=job.selection,
        total=job.total,
        done=job.done,
        changed=job.changed,
        skipped=_skipped(Counter(job.skipped), {}),
        error=job.error,
        created_by_name=job.caller["name"],
        org_code=job.org_code,
        created_at=job.created_at,
        finished_at=job.finished_at,
    )


def _skipped(counted: Counter[str], sample: Mapping[str, list[str]]) -> list[SkippedOut]:
    return [
        SkippedOut(code=code, zh=_SKIPS[code][0], en=_SKIPS[code][1], count=n, sample=sample.get(code, []))
        for code, n in counted.most_common()
        if n
    ]
