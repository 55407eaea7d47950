"""SQL of clues; every read is scoped here: the finder's and the assignee's region subtrees."""

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.casework.clues.models import Clue, ClueEvidence
from services.casework.clues.rules import like_pattern
from services.casework.clues.schemas import ClueQuery
from services.common.identity import Claims
from services.common.scope import region_filter

COUNT_CAP = 1_000


def _in_scope(claims: Claims) -> ColumnElement[bool]:
    return or_(region_filter(Clue.region_code, claims), region_filter(Clue.assigned_region_code, claims))


async def page(session: AsyncSession, claims: Claims, query: ClueQuery) -> tuple[list[Clue], int, bool]:
    """One row more than the page of visible clues, newest first, and their count capped at 1,000."""
    conditions: list[ColumnElement[bool]] = [_in_scope(claims)]
    if query.q:
        conditions.append(Clue.search_text.like(like_pattern(query.q), escape="\\"))
    if query.state:
        conditions.append(Clue.state == query.state)
    if query.assigned_org:
        conditions.append(Clue.assigned_org_code == query.assigned_org)
    statement = select(Clue).where(*conditions).order_by(Clue.id.desc()).limit(query.limit + 1)
    if query.after:
        statement = statement.where(Clue.id < query.after)
    rows = list((await session.scalars(statement)).all())
    inner = select(1).where(*conditions).limit(COUNT_CAP + 1).subquery()
    count = (await session.execute(select(func.count()).select_from(inner))).scalar_one()
    return rows, min(count, COUNT_CAP), count > COUNT_CAP


async def visible(session: AsyncSession, claims: Claims, clue_id: str, *, lock: bool = False) -> Clue | None:
    """The clue with this id when the caller may see it; `lock` keeps others from moving it meanwhile."""
    statement = select(Clue).where(Clue.id == clue_id, _in_scope(claims))
    if lock:
        statement = statement.with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def add(session: AsyncSession, clue: Clue, evidence: list[ClueEvidence]) -> None:
    """Insert a clue and its evidence."""
    session.add(clue)
    await session.flush()
    session.add_all(evidence)
    await session.flush()


async def evidence_of(session: AsyncSession, clue_id: str) -> list[ClueEvidence]:
    """The evidence of a clue the caller was allowed to see, in the order attached."""
    statement = select(ClueEvidence).where(ClueEvidence.clue_id == clue_id).order_by(ClueEvidence.position)
    return list((await session.scalars(statement)).all())
