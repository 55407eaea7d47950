"""关联规则 what two shops share, whether that links them, and why a link there was is no more.

Pure functions of stored facts: whoever has the rows of `identifiers`, `identifier_values` and `judgements`
gets the same explanation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from services.registry.judgements.rules import Verdict
from services.registry.linking.rules import SUPPORTING, Code

Pair = tuple[int, int]
Value = tuple[int, int]


class Held(NamedTuple):
    """A row of `identifiers` with what the linking decided about its value."""

    presence_no: int
    kind: int
    key: int
    value: bytes
    source: str
    first_seen: datetime
    last_seen: datetime
    ended_at: datetime | None
    holders: int
    hub: bool
    reason: dict[str, Any] | None
    decided_at: datetime | None


class Standing(StrEnum):
    """How a shared value stands."""

    LINKS = "links"
    SUPPORTS = "supports"
    HUB = "hub"
    CUT = "cut"
    ENDED = "ended"


STANDING_LABELS: Final[dict[Standing, tuple[str, str]]] = {
    Standing.LINKS: ("形成关联", "links"),
    Standing.SUPPORTS: ("仅作佐证", "supports a link, makes none"),
    Standing.HUB: ("枢纽值，不形成关联", "a hub: forms no link"),
    Standing.CUT: ("仅凭此值连接两个群体，已切断", "a weak bridge between two groups, cut"),
    Standing.ENDED: ("一方已不再使用", "one of the two no longer shows it"),
}


class Status(StrEnum):
    """How two shops stand to each other."""

    JUDGED_SAME = "judged_same"
    JUDGED_DIFFERENT = "judged_different"
    LINKED = "linked"
    NOT_LINKED = "not_linked"


STATUS_LABELS: Final[dict[Status, tuple[str, str]]] = {
    Status.JUDGED_SAME: ("人工判定为同一经营者", "judged to be one operator"),
    Status.JUDGED_DIFFERENT: ("人工判定为不同经营者", "judged to be different operators"),
    Status.LINKED: ("存在关联", "linked"),
    Status.NOT_LINKED: ("不构成关联", "not linked"),
}


class Gone(StrEnum):
    """Why a link there was is no more."""

    JUDGED = "judged"
    HUB = "hub"
    CUT = "cut"
    ENDED = "ended"


GONE_LABELS: Final[dict[Gone, tuple[str, str]]] = {
    Gone.JUDGED: ("已人工判定为不同经营者", "judged to be different operators"),
    Gone.HUB: ("共同的值为枢纽值", "the value they share is a hub"),
    Gone.CUT: ("共同的值是两个群体间唯一的薄弱连接，已切断", "the value they share was a weak bridge, cut"),
    Gone.ENDED: ("一方已不再使用共同的值", "one of the two no longer shows the value"),
}


@dataclass(frozen=True, slots=True)
class Shared:
    """A value two shops hold or held: how it stands, how many others hold it, since when both did.

    since: when both were first seen with it; until: when both were last seen with it; ended_at: since when
    one of them is without it.
    """

    kind: int
    key: int
    standing: Standing
    others: int
    since: datetime
    until: datetime
    ended_at: datetime | None


def shared(one: Iterable[Held], other: Iterable[Held]) -> list[Shared]:
    """The values two shops have in common, now or once, by kind and key."""
    theirs = {(row.kind, row.key): row for row in other}
    found = []
    for row in one:
        twin = theirs.get((row.kind, row.key))
        if twin is not None:
            found.append(_shared(row, twin))
    return sorted(found, key=lambda fact: (fact.kind, fact.key))


def _shared(row: Held, twin: Held) -> Shared:
    ends = [end for end in (row.ended_at, twin.ended_at) if end is not None]
    standing = Standing.ENDED if ends else _standing(row)
    return Shared(
        kind=row.kind,
        key=row.key,
        standing=standing,
        others=max(row.holders - (2 - len(ends)), 0),
        since=max(row.first_seen, twin.first_seen),
        until=min(row.last_seen, twin.last_seen),
        ended_at=min(ends) if ends else None,
    )


def _standing(row: Held) -> Standing:
    code = (row.reason or {}).get("code")
    if row.hub:
        return Standing.CUT if code == Code.BRIDGE else Standing.HUB
    supports = row.kind in SUPPORTING and code != Code.RULED_NOT_HUB
    return Standing.SUPPORTS if supports else Standing.LINKS


def linking_values(facts: Iterable[Shared]) -> list[Value]:
    """The values by which the two link now, those that only support a link among them."""
    counting = (Standing.LINKS, Standing.SUPPORTS)
    return [(fact.kind, fact.key) for fact in facts if fact.standing in counting]


def status(verdict: str | None, linked: bool) -> Status:
    """How two shops stand: an officer's word first, then the linking's."""
    if verdict == Verdict.SAME:
        return Status.JUDGED_SAME
    if verdict == Verdict.DIFFERENT:
        return Status.JUDGED_DIFFERENT
    return Status.LINKED if linked else Status.NOT_LINKED


def gone(facts: Sequence[Shared], verdict: str | None, linked: bool) -> list[Gone]:
    """Why the link these facts once made is no more; empty while it holds or when there never was one."""
    if verdict == Verdict.SAME:
        return []
    reasons = []
    if verdict == Verdict.DIFFERENT and any(fact.standing is Standing.LINKS for fact in facts):
        reasons.append(Gone.JUDGED)
    if not linked:
        standings = {fact.standing for fact in facts}
        reasons += [Gone.HUB] if Standing.HUB in standings else []
        reasons += [Gone.CUT] if Standing.CUT in standings else []
        reasons += [Gone.ENDED] if Standing.ENDED in standings else []
    return reasons


def by_pair(held: Iterable[tuple[int, int, int]]) -> dict[Pair, list[Value]]:
    """The values each pair of shops shares, from rows (shop, kind, key)."""
    holders: dict[Value, list[int]] = {}
    for no, kind, key in held:
        holders.setdefault((kind, key), []).append(no)
    found: dict[Pair, list[Value]] = {}
    for value, nos in holders.items():
        for at, a in enumerate(nos):
            for b in nos[at + 1 :]:
                found.setdefault((a, b) if a < b else (b, a), []).append(value)
    return found
