"""Graphs of linked shops: the strongest chain between two, and edges on which a group hangs alone."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from services.registry.judgements.rules import shortest

Pair = tuple[int, int]
Beside = Mapping[int, Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class Step:
    """One edge of a chain: from, to, weight; `alone`: without it both ends of the chain part."""

    start: int
    end: int
    weight: float
    alone: bool


def beside(edges: Mapping[Pair, float]) -> dict[int, dict[int, float]]:
    """The neighbours of every shop with the weights of the edges."""
    found: dict[int, dict[int, float]] = {}
    for (a, b), weight in edges.items():
        found.setdefault(a, {})[b] = weight
        found.setdefault(b, {})[a] = weight
    return found


def strongest(near: Beside, start: int, end: int) -> tuple[int, ...]:
    """The chain whose weakest edge is as strong as can be; among those the shortest, then smaller numbers.

    Both ends included; empty when there is none.
    """
    width = _width(near, start, end)
    if width is None:
        return ()
    wide = {no: [there for there, weight in near[no].items() if weight >= width] for no in near}
    return shortest(wide, start, end)


def _width(near: Beside, start: int, end: int) -> float | None:
    """The weight of the weakest edge of the strongest chain (Dijkstra with min in place of the sum)."""
    done: set[int] = set()
    waiting: list[tuple[float, int]] = [(-float("inf"), start)]
    while waiting:
        width, here = heapq.heappop(waiting)
        if here == end:
            return -width
        if here in done:
            continue
        done.add(here)
        for there, weight in near.get(here, {}).items():
            if there not in done:
                heapq.heappush(waiting, (max(width, -weight), there))
    return None


def parts(near: Beside, start: int, end: int, without: Pair) -> bool:
    """Whether `start` and `end` are no longer joined when this edge is taken away."""
    seen, waiting = {start}, deque([start])
    while waiting:
        here = waiting.popleft()
        for there in near.get(here, {}):
            if there not in seen and {here, there} != set(without):
                seen.add(there)
                waiting.append(there)
    return end not in seen


def chain(edges: Mapping[Pair, float], start: int, end: int) -> list[Step]:
    """The strongest chain edge by edge; empty when the two are not joined."""
    near = beside(edges)
    path = strongest(near, start, end)
    return [Step(a, b, near[a][b], parts(near, start, end, (a, b))) for a, b in pairwise(path)]


def weakest(steps: Iterable[Step]) -> Step | None:
    """The edge a chain hangs on most: the lightest, of equals one without which it parts, then the first."""
    return min(steps, key=lambda step: (step.weight, not step.alone), default=None)


def bridges(edges: Mapping[Pair, float]) -> set[Pair]:
    """Edges without which their group falls apart (Tarjan 1974, without recursion)."""
    near = beside(edges)
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    found: set[Pair] = set()
    for root in near:
        if root in order:
            continue
        order[root] = low[root] = len(order)
        stack = [(root, -1, iter(near[root]))]
        while stack:
            here, above, rest = stack[-1]
            there = next(rest, None)
            if there is None:
                stack.pop()
                if above >= 0:
                    low[above] = min(low[above], low[here])
                    if low[here] > order[above]:
                        found.add((min(above, here), max(above, here)))
            elif there not in order:
                order[there] = low[there] = len(order)
                stack.append((there, here, iter(near[there])))
            elif there != above:
                low[here] = min(low[here], order[there])
    return found
