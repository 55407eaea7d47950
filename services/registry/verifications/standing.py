"""在册状态 changing whether presences stand in the registry: one, some, or all of a selection."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.workflow import Transition, decide
from services.registry.verifications import repository
from services.registry.verifications.machine import STATUS
from services.registry.verifications.rules import caller_of

ORDERED: Final = frozenset({"weed", "restore"})
"""The changes a person orders; the others follow from checks."""
_SOURCES: Final = {t.action: t.sources[0] for t in STATUS.transitions}
_WEEDED: Final = "已剔除"


def check(claims: Claims, action: str, reason_code: str | None, reason: str | None) -> None:
    """Refuse what could change no presence: for the caller's permission, or for its fields.

    Raises Problem 403, 422.
    """
    fields = {"reason": reason, "reason_code": reason_code}
    decide(STATUS, _SOURCES[action], action, caller_of(claims, claims.region), fields)


def possible(status: str, action: str) -> Transition | None:
    """The change an action is to a presence of this status; None when it is none."""
    return next((t for t in STATUS.transitions if t.action == action and status in t.sources), None)


async def change(
    session: AsyncSession,
    claims: Claims,
    steps: Sequence[tuple[int, str, Transition]],
    at: datetime,
    *,
    reason: str | None = None,
    reason_code: str | None = None,
    verification_id: str | None = None,
) -> None:
    """Change presences this transaction holds: (number, status, what happens), each noted in the history.

    Open checks of what is weeded are cancelled.
    """
    rows = [
        {
            "presence_no": no,
            "machine_version": STATUS.version,
            "action": step.action,
            "from_status": status,
            "to_status": step.target,
            "reason_code": reason_code,
            "reason": reason,
            "verification_id": verification_id,
            "at": at,
        }
        for no, status, step in steps
    ]
    await repository.set_status(session, claims, rows)
    weeded = [no for no, _, step in steps if step.action == "weed"]
    if weeded:
        await repository.cancel_open(session, weeded, _WEEDED, at)
