"""Use cases of cases, one transaction each."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.casework.cases import repository
from services.casework.cases.machine import CASE
from services.casework.cases.models import Case
from services.casework.cases.schemas import CaseOut, CaseRow
from services.casework.clues.models import Clue
from services.casework.clues.rules import search_text
from services.casework.deadlines import service as deadlines
from services.casework.numbering.rules import Kind
from services.casework.numbering.service import issue
from services.casework.schemas import EvidenceRef, ListQuery, TransitionIn
from services.casework.workflow import service as workflow
from services.casework.workflow.rules import Relation
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.outbox import publish
from services.common.paging import Page, encode_cursor
from services.common.problems import not_found
from services.common.workflow import Caller

DECISION_RULE = "case.decision"
_PLAIN = (
    "id",
    "case_no",
    "clue_id",
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
    "due_at",
    "filed_by_name",
    "filed_at",
    "updated_at",
)


async def open_case(
    session: AsyncSession, claims: Claims, clue: Clue, now: datetime, reason: str | None
) -> Case:
    """Open the case of a clue for the caller's authority, with its evidence, in the current transaction.

    The limit for the decision starts now (行政处罚法 §60). Evidence is carried unchanged (程序规定 §23).
    """
    case_id = new_id()
    case_no = await issue(session, claims, Kind.CASE, case_id, now)
    case = Case(
        id=case_id,
        case_no=case_no,
        clue_id=clue.id,
        clue_no=clue.clue_no,
        title=clue.title,
        violation_code=clue.violation_code,
        url=clue.url,
        subject_name=clue.subject_name,
        state=CASE.initial,
        version=1,
        org_code=claims.org,
        org_name=claims.org_name,
        region_code=claims.region,
        filed_by=claims.sub,
        filed_by_name=claims.name,
        filed_at=now,
        updated_at=now,
        search_text=search_text(
            [case_no, clue.clue_no, clue.title, clue.subject_name, clue.url, clue.violation_code]
        ),
    )
    await deadlines.start(session, case, DECISION_RULE, now)
    await repository.add_with_evidence(session, case)
    carried = [e.evidence_id for e in await repository.evidence_of(session, case_id)]
    await tell_linked(session, claims, carried, f"案件 {case_no} 附证")
    details = {"case_no": case_no, "clue_no": clue.clue_no}
    await workflow.begin(session, claims, CASE, case, details, now, reason)
    return case


async def tell_linked(session: AsyncSession, claims: Claims, evidence_ids: list[str], reason: str) -> None:
    """Let the evidence's chain of custody say which clue or case it serves, and who attached it."""
    for evidence_id in evidence_ids:
        payload = {"evidence_id": evidence_id, "reason": reason, "actor": claims.whole_actor}
        await publish(session, "evidence.linked", to=["evidence"], payload=payload)


async def list_cases(session: AsyncSession, claims: Claims, query: ListQuery) -> Page[CaseRow]:
    """One page of the cases the caller may see, newest first."""
    rows, total, capped = await repository.page(session, claims, query)
    shown, now = rows[: query.limit], utc_now()
    return Page(
        items=[CaseRow.model_validate(_common(case, now)) for case in shown],
        next_cursor=encode_cursor([shown[-1].id]) if len(rows) > query.limit else None,
        total=total,
        total_capped=capped,
    )


async def get_case(session: AsyncSession, claims: Claims, case_id: str) -> CaseOut:
    """One case in full. Raises 404 when the caller may not see it."""
    case = await repository.visible(session, claims, case_id)
    if case is None:
        raise not_found("案件", "case")
    return await _full(session, claims, case)


async def move_case(session: AsyncSession, claims: Claims, case_id: str, given: TransitionIn) -> CaseOut:
    """Take one step of the case's workflow. Raises 404, 409, 403, 422 as `clues.service.move_clue`."""
    case = await repository.visible(session, claims, case_id, lock=True)
    if case is None:
        raise not_found("案件", "case")
    step = workflow.choose(CASE, case, _caller(claims, case), given)
    now = utc_now()
    case.updated_at = now
    if CASE.state(step.target).final:
        case.closed_at = now
        deadlines.stop(case)
    await workflow.move(session, claims, CASE, case, step, given, {}, now)
    return await _full(session, claims, case)


def _caller(claims: Claims, case: Case) -> Caller:
    relations = frozenset({Relation.HANDLER}) if claims.org == case.org_code else frozenset[Relation]()
    return Caller(permissions=claims.permissions, relations=relations)


def _common(case: Case, now: datetime) -> dict[str, Any]:
    state = CASE.state(case.state)
    overdue = case.due_at is not None and now >= case.due_at
    names = {"state_zh": state.zh, "state_en": state.en, "overdue": overdue}
    return {**{name: getattr(case, name) for name in _PLAIN}, **names}


async def _full(session: AsyncSession, claims: Claims, case: Case) -> CaseOut:
    now = utc_now()
    evidence = await repository.evidence_of(session, case.id)
    return CaseOut.model_validate(
        {
            **_common(case, now),
            "closed_at": case.closed_at,
            "deadline": await deadlines.standing(session, case, now),
            "evidence_ids": [e.evidence_id for e in evidence],
            "evidence": [EvidenceRef.model_validate(e) for e in evidence],
            "history": await workflow.history(session, CASE, case.id),
            "actions": workflow.possible(CASE, case, _caller(claims, case)),
        }
    )
