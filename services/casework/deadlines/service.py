"""Use cases of limits: load the shipped law, start a limit, tell how one stands."""

import csv
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.casework.deadlines import repository
from services.casework.deadlines.models import DeadlineRule, Limited
from services.casework.deadlines.rules import Rule, Unit, beijing_day, due, in_force
from services.casework.deadlines.schemas import DeadlineOut

DATA = Path(__file__).parent.parent / "data"


def shipped_rules() -> list[dict[str, Any]]:
    """The limits that come with the project, as rows."""
    return [
        {
            **row,
            "length": int(row["length"]),
            "verified": row["verified"] == "true",
            "effective_from": date.fromisoformat(row["effective_from"]),
            "effective_to": date.fromisoformat(row["effective_to"]) if row["effective_to"] else None,
        }
        for row in _read("deadline_rules.csv")
    ]


def shipped_days() -> list[dict[str, Any]]:
    """The holidays and adjusted weekends that come with the project, as rows."""
    return [
        {
            **row,
            "day": date.fromisoformat(row["day"]),
            "working": row["working"] == "true",
            "verified": row["verified"] == "true",
        }
        for row in _read("calendar.csv")
    ]


def _read(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def load_shipped(session: AsyncSession) -> None:
    """Insert the shipped rules and days where missing; edited rows stay."""
    await repository.add_missing(session, shipped_rules(), shipped_days())


async def start(session: AsyncSession, row: Limited, code: str, event: datetime) -> None:
    """Set a row's limit from rule `code` as in force on the day of the event (Beijing).

    Raises LookupError when no single version of the rule was in force then.
    """
    versions = {_rule(r): r.id for r in await repository.rules(session, code)}
    rule = in_force(versions, code, beijing_day(event))
    result = due(rule, event, await repository.calendar(session))
    row.due_rule_id, row.due_on, row.due_at = versions[rule], result.last_day, result.due_at
    row.due_provisional = result.provisional


def stop(row: Limited) -> None:
    """End a row's limit: what it asked for was done."""
    row.due_rule_id = row.due_on = row.due_at = None
    row.due_provisional = False


async def standing(session: AsyncSession, row: Limited, now: datetime) -> DeadlineOut | None:
    """How a row's limit stands now; None when none runs."""
    if row.due_rule_id is None or row.due_on is None or row.due_at is None:
        return None
    rule = await repository.rule(session, row.due_rule_id)
    calendar = await repository.calendar(session)
    return DeadlineOut(
        rule=rule.code,
        zh=rule.zh,
        en=rule.en,
        law=rule.law,
        article=rule.article,
        verified=rule.verified,
        last_day=row.due_on,
        due_at=row.due_at,
        provisional=row.due_provisional,
        overdue=now >= row.due_at,
        working_days_left=calendar.count_working(beijing_day(now), row.due_on),
    )


def _rule(row: DeadlineRule) -> Rule:
    return Rule(
        code=row.code,
        zh=row.zh,
        en=row.en,
        unit=Unit(row.unit),
        length=row.length,
        law=row.law,
        article=row.article,
        source=row.source,
        verified=row.verified,
        effective_from=row.effective_from,
        effective_to=row.effective_to,
    )
