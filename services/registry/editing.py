"""What edits of subjects and of presences have in common."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.common.problems import Problem
from services.registry.changes.rules import Changed


def refuse_stale(updated_at: datetime, seen_at: datetime | None) -> None:
    """Raise Problem 409 `record.changed` when the row was changed after the editor saw it."""
    if seen_at is not None and updated_at > seen_at:
        raise Problem(
            "record.changed",
            409,
            zh="您打开之后，该记录已被他人修改",
            en="somebody changed this record after you opened it",
            todo_zh="请刷新后核对再改",
            todo_en="reload, compare and change it again",
            extra={"updated_at": updated_at.isoformat()},
        )


def audited(changed: Sequence[Changed], reason: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """`before` and `after` of an audit row: plain values, and of personal ones only that they changed."""
    plain = [one for one in changed if not one.personal]
    after: dict[str, Any] = {one.field: one.new for one in plain}
    if private := [one.field for one in changed if one.personal]:
        after["personal"] = private
    if reason:
        after["reason"] = reason
    return {one.field: one.old for one in plain}, after
