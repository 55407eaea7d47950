"""判定规则 pure decisions about officers' judgements: their order, and where they contradict each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Pair = tuple[int, int]


class Verdict(StrEnum):
    """What an officer says of two shops. `withdrawn` takes the earlier word back."""

    SAME = "same"
    DIFFERENT = "different"
    UNSURE = "unsure"
    WITHDRAWN = "withdrawn"


VERDICT_LABELS: Final[dict[Verdict, tuple[str, str]]] = {
    Verdict.SAME: ("同一经营者", "one operator"),
    Verdict.DIFFERENT: ("不同经营者", "different operators"),
    Verdict.UNSURE: ("尚不能确定", "not sure"),
    Verdict.WITHDRAWN: ("撤回判定", "judgement withdrawn"),
}
# These two are what the linking reads; the others leave a pair to it.
BINDING: Final = frozenset({Verdict.SAME, Verdict.DIFFERENT})


@dataclass(frozen=True, slots=True)
class Conflict:
    """`pair` was judged different, yet judgements `same` lead along `path` from the one to the other."""

    pair: Pair
    path: tuple[int, ...]


def ordered(one: int, other: int) -> Pair:
    """The pair as it is kept, the smaller number first. Raises ValueError for a shop and itself."""
    if one == other:
        raise ValueError("a shop and itself")
    return (one, other) if one < other else (other, one)


def conflicts(judged: Mapping[Pair, str]) -> list[Conflict]:
    """Every `different` that a chain of `same` contradicts, with the shortest such chain.

    Nothing is decided here: which of the judgements is wrong is for the officers (A=B, B=C, A≠C).
    """
    beside: dict[int, list[int]] = {}
    for (a, b), verdict in judged.items():
        if verdict == Verdict.SAME:
            beside.setdefault(a, []).append(b)
            beside.setdefault(b, []).append(a)
    found = []
    for pair, verdict in sorted(judged.items()):
        if verdict == Verdict.DIFFERENT:
            path = shortest(beside, *pair)
            if path:
                found.append(Conflict(pair, path))
    return found


def shortest(beside: Mapping[int, Iterable[int]], start: int, end: int) -> tuple[int, ...]:
    """The shortest chain from `start` to `end`, both included; the smaller numbers first; empty for none."""
    came: dict[int, int] = {start: start}
    waiting = deque([start])
    while waiting and end not in came:
        here = waiting.popleft()
        for there in sorted(beside.get(here, ())):
            if there not in came:
                came[there] = here
                waiting.append(there)
    if end not in came:
        return ()
    path = [end]
    while path[-1] != start:
        path.append(came[path[-1]])
    return tuple(reversed(path))
