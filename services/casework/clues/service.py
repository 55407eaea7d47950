"""Use cases of clues, one transaction each."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.casework.cases import service as cases
from services.casework.clues import repository
from services.casework.clues.machine import CLUE
from services.casework.clues.models import Clue, ClueEvidence
from services.casework.clues.rules import relations, search_text
from services.casework.clues.schemas import ClueIn, ClueOut, ClueQuery, ClueRow
from services.casework.deadlines import service as deadlines
from services.casework.numbering.rules import Kind
from services.casework.numbering.service import issue
from services.casework.peers import Peers
from services.casework.schemas import EvidenceRef, TransitionIn
from services.casework.workflow import service as workflow
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.outbox import publish
from services.common.paging import Page, encode_cursor
from services.common.problems import not_found
from services.common.scope import region_covers
from services.common.workflow import Caller
from services.registry.client import OrganisationRef

CHECK_RULE = "clue.check"
_PLAIN = (
    "id",
    "clue_no",
    "title",
    "violation_code",
    "url",
    "subject_name",
    "state",
    "version",
    "org_code",
    "org_name",
    "region_code",
    "assigned_org_code",
    "assigned_org_name",
    "due_at",
    "created_by_name",
    "created_at",
    "updated_at",
)


async def create_clue(session: AsyncSession, claims: Claims, peers: Peers, given: ClueIn) -> ClueOut:
    """Make a clue with its evidence; the limit for checking it starts now (程序规定 §18).

    Raises 422 `clue.evidence_not_visible` for evidence the caller may not see.
    """
    wanted = list(dict.fromkeys(given.evidence_ids))
    summaries = await peers.evidence(wanted, claims)
    now, clue_id = utc_now(), new_id()
    clue_no = await issue(session, claims, Kind.CLUE, clue_id, now)
    facts = given.model_dump(exclude={"evidence_ids"})
    clue = Clue(
        id=clue_id,
        clue_no=clue_no,
        **facts,
        state=CLUE.initial,
        version=1,
        org_code=claims.org,
        org_name=claims.org_name,
        region_code=claims.region,
        created_by=claims.sub,
        created_by_name=claims.name,
        created_at=now,
        updated_at=now,
        search_text=search_text([clue_no, given.title, given.subject_name, given.url, given.violation_code]),
    )
    await deadlines.start(session, clue, CHECK_RULE, now)
    attached = [
        ClueEvidence(
            clue_id=clue_id,
            evidence_id=s.evidence_id,
            position=position,
            evidence_no=s.evidence_no,
            title=s.title,
            outcome=s.outcome,
            sha256=s.sha256,
            sm3=s.sm3,
            attached_by=claims.sub,
            attached_at=now,
        )
        for position, s in enumerate(summaries, start=1)
    ]
    await repository.add(session, clue, attached)
    await cases.tell_linked(session, claims, wanted, f"线索 {clue_no} 附证")
    details = {"clue_no": clue_no, "evidence_ids": wanted}
    await workflow.begin(session, claims, CLUE, clue, details, now)
    return await _full(session, claims, clue)


async def list_clues(session: AsyncSession, claims: Claims, query: ClueQuery) -> Page[ClueRow]:
    """One page of the clues the caller may see, newest first."""
    rows, total, capped = await repository.page(session, claims, query)
    shown, now = rows[: query.limit], utc_now()
    return Page(
        items=[ClueRow.model_validate(_common(clue, now)) for clue in shown],
        next_cursor=encode_cursor([shown[-1].id]) if len(rows) > query.limit else None,
        total=total,
        total_capped=capped,
    )


async def get_clue(session: AsyncSession, claims: Claims, clue_id: str) -> ClueOut:
    """One clue in full. Raises 404 when the caller may not see it."""
    clue = await repository.visible(session, claims, clue_id)
    if clue is None:
        raise not_found("线索", "clue")
    return await _full(session, claims, clue)


async def move_clue(
    session: AsyncSession, claims: Claims, peers: Peers, clue_id: str, given: TransitionIn
) -> ClueOut:
    """Take one step of the clue's workflow with all its effects in this transaction.

    Raises 404 when not visible, 409 `workflow.stale` or `workflow.illegal_transition`, 403, 422; see
    `services.common.workflow`. A row lock makes of two steps at once one success and one 409.
    """
    # Asked before the lock is taken, so that no row waits for another service.
    target = await peers.registry.organisation(given.org_code) if given.org_code else None
    clue = await repository.visible(session, claims, clue_id, lock=True)
    if clue is None:
        raise not_found("线索", "clue")
    step = workflow.choose(CLUE, clue, _caller(claims, clue), given)
    now = utc_now()
    clue.updated_at = now
    details: dict[str, Any] = {}
    if step.action == "assign" and target is not None:
        details = await _assign(session, claims, clue, target, now)
    elif step.action == "sign":
        clue.signed_at = now
        await _tell_transferred(session, claims, clue)
    elif step.action == "file":
        case = await cases.open_case(session, claims, clue, now, given.reason)
        clue.case_id, clue.case_no = case.id, case.case_no
        details = {"case_id": case.id, "case_no": case.case_no}
    if CLUE.state(step.target).final:
        deadlines.stop(clue)
    await workflow.move(session, claims, CLUE, clue, step, given, details, now)
    return await _full(session, claims, clue)


async def _assign(
    session: AsyncSession, claims: Claims, clue: Clue, target: OrganisationRef, now: datetime
) -> dict[str, Any]:
    """Hand the clue over: who, from when, the receiver's own limit, and sight of the evidence.

    Whoever had it before has returned it and has no further business with its evidence.
    """
    earlier = clue.assigned_org_code
    clue.assigned_org_code, clue.assigned_org_name = target.code, target.name
    clue.assigned_region_code, clue.assigned_at, clue.signed_at = target.region_code, now, None
    # The receiver's 15 working days run from receiving the material; over this channel that is now.
    await deadlines.start(session, clue, CHECK_RULE, now)
    # The ground and its version let evidence tell a late word from a new one.
    ground = {"basis": f"clue:{clue.id}", "version": clue.version + 1, "actor": claims.whole_actor}
    for evidence in await repository.evidence_of(session, clue.id):
        about = {"evidence_id": evidence.evidence_id, **ground}
        if earlier is not None and earlier != target.code:
            lost = {**about, "org_code": earlier, "reason": f"线索 {clue.clue_no} 改派"}
            await publish(session, "evidence.withdrawn", to=["evidence"], payload=lost)
        given = {**about, "org_code": target.code, "region_code": target.region_code}
        given["reason"] = f"线索 {clue.clue_no} 分派"
        await publish(session, "evidence.granted", to=["evidence"], payload=given)
    return {"org_code": target.code, "org_name": target.name}


async def _tell_transferred(session: AsyncSession, claims: Claims, clue: Clue) -> None:
    """Let custody say that another authority signed for the clue and with it for its evidence."""
    if claims.org == clue.org_code:
        return
    for evidence in await repository.evidence_of(session, clue.id):
        payload = {
            "evidence_id": evidence.evidence_id,
            "from_org": clue.org_code,
            "to_org": claims.org,
            "reason": f"线索 {clue.clue_no} 签收",
            "actor": claims.whole_actor,
        }
        await publish(session, "evidence.transferred", to=["evidence"], payload=payload)


def _caller(claims: Claims, clue: Clue) -> Caller:
    return Caller(
        permissions=claims.permissions,
        relations=relations(
            org=claims.org,
            region=claims.region,
            origin_org=clue.org_code,
            origin_region=clue.region_code,
            assigned_org=clue.assigned_org_code,
        ),
    )


def _common(clue: Clue, now: datetime) -> dict[str, Any]:
    state = CLUE.state(clue.state)
    overdue = clue.due_at is not None and now >= clue.due_at
    names = {"state_zh": state.zh, "state_en": state.en, "overdue": overdue}
    return {**{name: getattr(clue, name) for name in _PLAIN}, **names}


async def _full(session: AsyncSession, claims: Claims, clue: Clue) -> ClueOut:
    now = utc_now()
    evidence = await repository.evidence_of(session, clue.id)
    case_seen = clue.assigned_region_code and region_covers(claims.region, clue.assigned_region_code)
    return ClueOut.model_validate(
        {
            **_common(clue, now),
            "note": clue.note,
            "assigned_at": clue.assigned_at,
            "signed_at": clue.signed_at,
            "case_id": clue.case_id if case_seen else None,
            "case_no": clue.case_no,
            "deadline": await deadlines.standing(session, clue, now),
            "evidence_ids": [e.evidence_id for e in evidence],
            "evidence": [EvidenceRef.model_validate(e) for e in evidence],
            "history": await workflow.history(session, CLUE, clue.id),
            "actions": workflow.possible(CLUE, clue, _caller(claims, clue)),
        }
    )
