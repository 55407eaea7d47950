"""SQL of cases; every read is scoped by the handling authority's region here."""

from sqlalchemy import ColumnElement, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.casework.cases.models import Case, CaseEvidence
from services.casework.clues.models import ClueEvidence
from services.casework.clues.rules import like_pattern
from services.casework.schemas import ListQuery
from services.common.identity import Claims
from services.common.scope import region_filter

COUNT_CAP = 1_000
_CARRIED = (
    "evidence_id",
    "position",
    "evidence_no",
    "title",
    "outcome",
    "sha256",
    "sm3",
    "attached_by",
    "attached_at",
)


async def page(session: AsyncSession, claims: Claims, query: ListQuery) -> tuple[list[Case], int, bool]:
    """One row more than the page of visible cases, newest first, and their count capped at 1,000."""
    conditions: list[ColumnElement[bool]] = [region_filter(Case.region_code, claims)]
    if query.q:
        conditions.append(Case.search_text.like(like_pattern(query.q), escape="\\"))
    if query.state:
        conditions.append(Case.state == query.state)
    statement = select(Case).where(*conditions).order_by(Case.id.desc()).limit(query.limit + 1)
    if query.after:
        statement = statement.where(Case.id < query.after)
    rows = list((await session.scalars(statement)).all())
    inner = select(1).where(*conditions).limit(COUNT_CAP + 1).subquery()
    count = (await session.execute(select(func.count()).select_from(inner))).scalar_one()
    return rows, min(count, COUNT_CAP), count > COUNT_CAP


async def visible(session: AsyncSession, claims: Claims, case_id: str, *, lock: bool = False) -> Case | None:
    """The case with this id when the caller may see it; `lock` keeps others from moving it meanwhile."""
    statement = select(Case).where(Case.id == case_id, region_filter(Case.region_code, claims))
    if lock:
        statement = statement.with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def add_with_evidence(session: AsyncSession, case: Case) -> None:
    """Insert a case and carry the clue's evidence over inside the database, value for value."""
    session.add(case)
    await session.flush()
    columns = [getattr(ClueEvidence, name) for name in _CARRIED]
    carried = select(literal(case.id), *columns).where(ClueEvidence.clue_id == case.clue_id)
    await session.execute(insert(CaseEvidence).from_select(["case_id", *_CARRIED], carried))


async def evidence_of(session: AsyncSession, case_id: str) -> list[CaseEvidence]:
    """The evidence of a case the caller was allowed to see, in the order attached."""
    statement = select(CaseEvidence).where(CaseEvidence.case_id == case_id).order_by(CaseEvidence.position)
    return list((await session.scalars(statement)).all())
