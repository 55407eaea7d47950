"""Which items are due for renewal, and how. Pure.

Digests that are no longer to be relied on are dated data (`digests.json`): a record that ends with one is
renewed over new digests of the whole package (hash-tree renewal) `lead_days` before its date.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

from services.common.problems import Problem

Kind = Literal["begin", "prolong", "rehash"]


@dataclass(frozen=True)
class Due:
    """A sealed item whose proof of time ends at `until`; algorithm: of its record's newest chain, if any."""

    evidence_id: str
    evidence_no: str | None
    package_sha256: str
    layout_sha256: str
    until: datetime | None
    algorithm: str | None


@cache
def _data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_name("digests.json").read_text("utf-8"))
    return found


def weak_since() -> dict[str, datetime]:
    """Since when (UTC) each weak digest is no longer safe, by name."""
    return {row["digest"]: datetime.fromisoformat(row["from"]).replace(tzinfo=UTC) for row in _data()["weak"]}


def weak_digests(now: datetime) -> list[str]:
    """Digests to leave now: those whose date is near or past."""
    lead = timedelta(days=_data()["lead_days"])
    return [name for name, since in weak_since().items() if now >= since - lead]


def known_digests() -> list[str]:
    """The digests a chain may use, the preferred one first."""
    return list(_data()["order"])


def successor(weak: Iterable[str]) -> str:
    """The digest that new chains use: the first known one that is not weak. Raises Problem 422 for none."""
    leave = set(weak)
    for name in known_digests():
        if name not in leave:
            return name
    raise Problem(
        "evidence.no_digest_left",
        422,
        zh="所有已知摘要算法均已弃用,无法续期",
        en="every known digest is to be left; nothing can be renewed with any",
    )


def kind_of(due: Due, weak: Iterable[str]) -> Kind:
    """How an item is renewed: a first record, another stamp in its chain, or a new chain."""
    if due.algorithm is None:
        return "begin"
    return "rehash" if due.algorithm in weak else "prolong"


def groups(found: Iterable[Due], weak: Iterable[str]) -> Mapping[tuple[Kind, str | None], list[Due]]:
    """Items that one archive time stamp can cover together: of one kind and digest."""
    sorted_out: dict[tuple[Kind, str | None], list[Due]] = {}
    known = list(weak)
    for item in found:
        sorted_out.setdefault((kind_of(item, known), item.algorithm), []).append(item)
    return sorted_out


def renewed_meanwhile() -> Problem:
    """409: another run renewed the same items at the same time."""
    return Problem(
        "evidence.renewed_meanwhile",
        409,
        zh="这些证据正由另一任务续期",
        en="another run is renewing the same items",
        todo_zh="请稍后再次执行,已续期的不会重复",
        todo_en="run it again later: what has been renewed is left alone",
    )
