"""撤销规则 what may have been built on an imported row since, and how its earlier values follow from its
history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

REASONS: Final[dict[str, tuple[str, str]]] = {
    "edited": ("导入后又被修改", "edited since"),
    "claimed": ("已推送或认领属地", "offered or claimed"),
    "inspected": ("已有检查记录", "inspected"),
    "permitted": ("已登记许可证", "has permits"),
    "tagged": ("已加标签", "tagged"),
    "merged": ("已合并", "merged"),
    "judged": ("已作关联判定", "judged by an officer"),
    "marked": ("已有电子标识", "has an e-label"),
    "planned": ("已列入复核", "being re-verified"),
}
"""Reason → what an officer reads. One row counts under its first reason."""


def restored(now: Mapping[str, Any], changes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The values before an import: `changes` are its (field, earlier value), newest first."""
    values = dict(now)
    for field, old in changes:
        values[field] = old
    return values
