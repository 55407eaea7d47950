"""SQL of limits and of the working-day calendar. They are public law: not scoped."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.casework.deadlines.models import CalendarDay, DeadlineRule
from services.casework.deadlines.rules import DayCalendar, SpecialDay


async def rules(session: AsyncSession, code: str) -> list[DeadlineRule]:
    """All versions of one rule."""
    return list((await session.scalars(select(DeadlineRule).where(DeadlineRule.code == code))).all())


async def rule(session: AsyncSession, rule_id: int) -> DeadlineRule:
    """One version of a rule. Raises NoResultFound when it does not exist."""
    return await session.get_one(DeadlineRule, rule_id)


async def calendar(session: AsyncSession) -> DayCalendar:
    """The working-day calendar as loaded; a year counts as known when it has any row."""
    rows = (await session.execute(select(CalendarDay.day, CalendarDay.working))).all()
    return DayCalendar((SpecialDay(r.day, r.working) for r in rows), {r.day.year for r in rows})


async def add_missing(
    session: AsyncSession, rules: Iterable[dict[str, Any]], days: Iterable[dict[str, Any]]
) -> None:
    """Insert shipped rules and days that are not there; rows that were edited stay as they are."""
    await session.execute(insert(DeadlineRule).on_conflict_do_nothing(), list(rules))
    await session.execute(insert(CalendarDay).on_conflict_do_nothing(), list(days))
