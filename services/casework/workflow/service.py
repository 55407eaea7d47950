"""Use cases shared by all machines: check a version, note a step, tell a history."""

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from services.casework.schemas import ActionOut, HistoryOut, TransitionIn
from services.casework.workflow import repository
from services.casework.workflow.models import History
from services.common.audit import record
from services.common.identity import Claims
from services.common.problems import Problem
from services.common.workflow import Caller, Machine, Transition, allowed, decide, describe

_CREATED = ("新建", "Created")


class Stateful(Protocol):
    """An object that a machine moves."""

    id: str
    state: str
    version: int


def choose(machine: Machine, row: Stateful, caller: Caller, given: TransitionIn) -> Transition:
    """The transition a caller asked for, on the version the caller saw.

    Raises 409 `workflow.stale` with the possible steps when the object has moved since, and what
    `services.common.workflow.decide` raises.
    """
    if given.version != row.version:
        raise Problem(
            "workflow.stale",
            409,
            zh=f"该{machine.zh}已被他人更新，当前为“{machine.state(row.state).zh}”",
            en=f"someone else changed the {machine.en}: it is {machine.state(row.state).en.lower()} now",
            todo_zh="请刷新后重试",
            todo_en="reload and try again",
            extra={
                "state": row.state,
                "version": row.version,
                "allowed": describe(allowed(machine, row.state, caller)),
            },
        )
    fields = {"org_code": given.org_code, "reason": given.reason}
    return decide(machine, row.state, given.action, caller, fields)


async def begin(
    session: AsyncSession,
    claims: Claims,
    machine: Machine,
    row: Stateful,
    details: dict[str, Any],
    now: datetime,
    reason: str | None = None,
) -> None:
    """Note that an object came to be, in the history and the audit record."""
    await _note(session, claims, machine, row, "create", None, reason, details, now)


async def move(
    session: AsyncSession,
    claims: Claims,
    machine: Machine,
    row: Stateful,
    step: Transition,
    given: TransitionIn,
    details: dict[str, Any],
    now: datetime,
) -> None:
    """Take a step: new state, next version, history and audit rows, all in the current transaction."""
    before = row.state
    row.state, row.version = step.target, row.version + 1
    await _note(session, claims, machine, row, step.action, before, given.reason, details, now)


async def _note(
    session: AsyncSession,
    claims: Claims,
    machine: Machine,
    row: Stateful,
    action: str,
    before: str | None,
    reason: str | None,
    details: dict[str, Any],
    now: datetime,
) -> None:
    step = History(
        machine=machine.name,
        machine_version=machine.version,
        object_id=row.id,
        version=row.version,
        action=action,
        from_state=before,
        to_state=row.state,
        actor=claims.sub,
        actor_name=claims.name,
        org_code=claims.org,
        org_name=claims.org_name,
        reason=reason,
        details=details,
        at=now,
    )
    await repository.add(session, step)
    await record(
        session,
        claims,
        event=f"{machine.name}.{action}",
        object_type=machine.name,
        object_id=row.id,
        before={"state": before} if before else None,
        after={"state": row.state, "version": row.version, **details},
    )


async def history(session: AsyncSession, machine: Machine, object_id: str) -> list[HistoryOut]:
    """All steps of an object with their names, oldest first."""
    rows = await repository.of_object(session, machine.name, object_id)
    return [_shown(machine, row) for row in rows]


def _shown(machine: Machine, row: History) -> HistoryOut:
    names = {t.action: (t.zh, t.en) for t in machine.transitions}
    zh, en = names.get(row.action, _CREATED)
    return HistoryOut(
        seq=row.seq,
        action=row.action,
        zh=zh,
        en=en,
        from_state=row.from_state,
        from_zh=machine.state(row.from_state).zh if row.from_state else None,
        to_state=row.to_state,
        to_zh=machine.state(row.to_state).zh,
        actor=row.actor_name,
        org_code=row.org_code,
        org_name=row.org_name,
        reason=row.reason,
        details=row.details,
        at=row.at,
    )


def possible(machine: Machine, row: Stateful, caller: Caller) -> list[ActionOut]:
    """The steps this caller can take now, as the API shows them."""
    return [ActionOut.model_validate(a) for a in describe(allowed(machine, row.state, caller))]
