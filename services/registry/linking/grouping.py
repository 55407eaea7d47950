"""From links to clusters: what hangs together, cut where one small value alone holds two groups together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from services.registry.linking import rules
from services.registry.linking.incidence import FEW, Bools, Incidence, Ints, together

Pair = tuple[int, int]


@dataclass
class Groups:
    """Block and cluster of each place (lowest place in it), and which values were cut as weak bridges."""

    block: Ints
    cluster: Ints
    cut: Bools


def group(
    inc: Incidence,
    links: Bools,
    fixed: Bools,
    same: Iterable[Pair] = (),
    different: Iterable[Pair] = (),
) -> Groups:
    """Blocks and clusters of the shops here.

    links: the values that link; fixed: those of them an officer ruled on, which are never cut; same,
    different: officers' judgements, as pairs of places. A block is what values and `same` hold together.
    """
    value, shop = inc.rows(), inc.shop
    if not links.all():
        kept = links[value]
        value, shop = value[kept], shop[kept]
    joined = np.array(list(same), np.int64).reshape(-1, 2)
    edges = _Edges(len(inc.nos), inc.values, shop, value, joined)
    block = edges.lowest()
    cut = np.zeros(inc.values, bool)
    small = links & ~fixed & (inc.holders <= rules.BRIDGE)
    cut[_bridges(edges, block, small)] = True
    cluster = block.copy()
    if cut.any():
        kept = ~cut[value]
        edges = _Edges(len(inc.nos), inc.values, shop[kept], value[kept], joined)
        cluster = edges.lowest()
    apart = [pair for pair in different if cluster[pair[0]] == cluster[pair[1]]]
    if apart:
        _part(inc, edges, cluster, apart)
    return Groups(block, cluster, cut)


@dataclass
class _Edges:
    """Shops and values, with an edge where a shop shows a value; a judgement is a value of two shops."""

    shops: int
    values: int
    shop: Ints
    value: Ints
    joined: Ints

    def ends(self) -> tuple[Ints, Ints]:
        """Places of shops and of values (behind the shops), edge by edge."""
        extra = self.values + np.repeat(np.arange(len(self.joined)), 2)
        shop = np.concatenate([self.shop, self.joined.reshape(-1)])
        return shop, np.concatenate([self.value, extra]) + self.shops

    def size(self) -> int:
        return self.shops + self.values + len(self.joined)

    def lowest(self) -> Ints:
        """For each shop the lowest place among those it hangs together with."""
        label = together(*self.ends(), self.size())[: self.shops]
        first = np.full(int(label.max(initial=-1)) + 1, self.shops, np.int64)
        np.minimum.at(first, label, np.arange(self.shops))
        return np.asarray(first[label], dtype=np.int64)


def _bridges(edges: _Edges, block: Ints, small: Bools) -> Ints:
    """Small values without which their block falls apart into two groups of SIDE shops or more.

    A tree through each block; an edge off the tree marks the way between its ends with a number of its own,
    and a tree edge nothing marks is the only way across it (marks are XORed: chance 2^-64 to miss one).
    """
    size = np.bincount(block, minlength=edges.shops)
    shop, value = edges.ends()
    keep = size[block[shop]] >= 2 * rules.SIDE
    shop, value = shop[keep], value[keep]
    if len(shop) < FEW:
        hit = _hit_one_by_one(edges.shops, shop.tolist(), value.tolist())
        found = np.array(hit, np.int64) - edges.shops
        return _cuttable(found, edges, small)
    names, place = np.unique(np.concatenate([shop, value]), return_inverse=True)
    a, b = place[: len(shop)], place[len(shop) :]
    isshop = names < edges.shops
    roots = np.searchsorted(names, np.unique(block[names[isshop]]))
    top = len(names)
    graph = csr_array(
        (
            np.ones(len(a) + len(roots), np.int8),
            (np.append(a, np.full(len(roots), top)), np.append(b, roots)),
        ),
        shape=(top + 1,) * 2,
    )
    order, before = breadth_first_order(graph, top, directed=False)
    rank = np.empty(top + 1, np.int64)
    rank[order] = np.arange(top + 1)
    parent = rank[np.where(before < 0, top, before)][order]
    below, mark = _climb(parent, rank, a, b, isshop)
    return _hit(edges, names, order, parent, below, mark, size[block[names[isshop]]], isshop, small)


def _climb(parent: Ints, rank: Ints, a: Ints, b: Ints, isshop: Bools) -> tuple[Ints, Ints]:
    """For each place in breadth-first order: shops in its subtree, and the mark of the edge to its parent."""
    count = len(parent)
    below, mark = np.zeros(count, np.int64), np.zeros(count, np.int64)
    below[rank[:-1][isshop]] = 1
    up, down = rank[a], rank[b]
    off = (parent[down] != up) & (parent[up] != down)
    with np.errstate(over="ignore"):
        number = (up[off] * np.int64(-7046029254386353131) + down[off]) * np.int64(-4417276706812531889)
        number ^= (number >> 29) * np.int64(-7723592293110705685)
    np.bitwise_xor.at(mark, up[off], number)
    np.bitwise_xor.at(mark, down[off], number)
    ends = [0, 1]
    while ends[-1] < count:  # the levels of the tree: parents stand in order, so each is one stretch
        ends.append(int(np.searchsorted(parent[1:], ends[-1])) + 1)
    for first, last in zip(ends[-2:0:-1], ends[:1:-1], strict=True):
        np.bitwise_xor.at(mark, parent[first:last], mark[first:last])
        np.add.at(below, parent[first:last], below[first:last])
    return below, mark


def _hit(
    edges: _Edges,
    names: Ints,
    order: Ints,
    parent: Ints,
    below: Ints,
    mark: Ints,
    sizes: Ints,
    isshop: Bools,
    small: Bools,
) -> Ints:
    count = len(order)
    known = np.append(isshop, False)[order]  # by breadth-first place; the top is no shop
    total = _spread(order, parent, names, sizes, isshop)
    node = np.arange(1, count)
    only = (mark[1:] == 0) & (parent[1:] != 0)
    behind = node[only & ~known[parent[1:]]]  # the value is the parent: the part is the child's subtree
    ahead = node[only & ~known[node]]  # the value is the child: the part is all the rest
    value = np.append(parent[behind], ahead)
    part = np.append(below[behind], total[ahead] - below[ahead])
    large = np.bincount(value[part >= rules.SIDE], minlength=count)
    rest = total - np.bincount(value, weights=part, minlength=count).astype(np.int64)
    hit = np.flatnonzero((large >= 2) | ((large == 1) & (rest >= rules.SIDE)))
    hit = hit[~known[hit] & (hit > 0)]
    return _cuttable(names[order[hit]] - edges.shops, edges, small)


def _cuttable(found: Ints, edges: _Edges, small: Bools) -> Ints:
    found = found[found < edges.values]  # judgements are never cut
    return np.asarray(found[small[found]], dtype=np.int64)


def _hit_one_by_one(shops: int, shop: list[int], value: list[int]) -> list[int]:
    """The values (as nodes behind the shops) that alone hold two groups together, of a few edges."""
    near: dict[int, list[int]] = {}
    for a, b in zip(shop, value, strict=True):
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    rank: dict[int, int] = {}
    found = []
    for root in near:
        if root in rank:
            continue
        order, parent, low = _walk(near, root, rank)
        below = {node: int(node < shops) for node in order}
        for node in reversed(order[1:]):
            up = parent[node]
            low[up] = min(low[up], low[node])
            below[up] += below[node]
        parts: dict[int, list[int]] = {}
        for node in order[1:]:
            if low[node] == rank[node]:  # the edge to its parent is the only way across
                up = parent[node]
                at, part = (up, below[node]) if up >= shops else (node, below[root] - below[node])
                parts.setdefault(at, []).append(part)
        for at, sizes in parts.items():
            large = sum(size >= rules.SIDE for size in sizes)
            if large >= 2 or (large == 1 and below[root] - sum(sizes) >= rules.SIDE):
                found.append(at)
    return found


def _walk(
    near: dict[int, list[int]], root: int, rank: dict[int, int]
) -> tuple[list[int], dict[int, int], dict[int, int]]:
    """Nodes in the order of a depth-first walk, the parent of each, the lowest rank each leads to directly.

    An edge to the parent does not count: no value stands twice at a shop.
    """
    parent, low, order = {root: -1}, {}, [root]
    rank[root] = low[root] = len(rank)
    path = [(root, iter(near[root]))]
    while path:
        node, rest = path[-1]
        for other in rest:
            if other not in rank:
                parent[other] = node
                rank[other] = low[other] = len(rank)
                order.append(other)
                path.append((other, iter(near[other])))
                break
            if other != parent[node]:
                low[node] = min(low[node], rank[other])
        else:
            path.pop()
    return order, parent, low


def _spread(order: Ints, parent: Ints, names: Ints, sizes: Ints, isshop: Bools) -> Ints:
    """Shops in the block of each place in breadth-first order."""
    by_name = np.zeros(len(order), np.int64)
    by_name[np.flatnonzero(isshop)] = sizes
    total = by_name[order]
    values = np.flatnonzero(total == 0)
    total[values] = total[parent[values]]  # a value's parent is a shop, for roots are shops
    total[0] = 0
    return total


def _part(inc: Incidence, edges: _Edges, cluster: Ints, apart: list[Pair]) -> None:
    """Joins anew each cluster with a pair judged different: strongest links first, never such a pair."""
    for name in sorted({int(cluster[a]) for a, _ in apart}):
        inside = {int(place) for place in np.flatnonzero(cluster == name)}
        wanted = [(a, b) for a, b in apart if a in inside]
        parts = _Parts(inside, wanted)
        for a, b in sorted((int(a), int(b)) for a, b in edges.joined if int(a) in inside):
            parts.join(a, b, force=True)
        rows = np.flatnonzero(np.isin(edges.shop, list(inside)))
        found: dict[int, list[int]] = {}
        for value, shop in zip(edges.value[rows].tolist(), edges.shop[rows].tolist(), strict=True):
            found.setdefault(value, []).append(shop)
        strongest = sorted(
            found, key=lambda value: (int(inc.holders[value]), int(inc.kind[value]), int(inc.key[value]))
        )
        for value in strongest:
            shops = sorted(found[value])
            for place, shop in enumerate(shops):
                for earlier in shops[:place]:
                    parts.join(earlier, shop)
        for shop in inside:
            cluster[shop] = parts.of(shop)


class _Parts:
    """Disjoint sets named by their lowest place, in which some pairs must not meet."""

    def __init__(self, places: Iterable[int], apart: Iterable[Pair]) -> None:
        self._name = {place: place for place in places}
        self._apart: dict[int, set[int]] = {}
        for a, b in apart:
            self._apart.setdefault(a, set()).add(b)
            self._apart.setdefault(b, set()).add(a)

    def of(self, place: int) -> int:
        """Name of the set."""
        while self._name[place] != place:
            self._name[place] = self._name[self._name[place]]
            place = self._name[place]
        return place

    def join(self, a: int, b: int, *, force: bool = False) -> None:
        """Makes the two one set unless a pair judged different would meet; `force`: an officer's own word."""
        a, b = self.of(a), self.of(b)
        foes = self._apart.get(a, ())
        if a == b or (not force and any(self.of(foe) == b for foe in foes)):
            return
        low, high = min(a, b), max(a, b)
        self._name[high] = low
        if high in self._apart:
            self._apart.setdefault(low, set()).update(self._apart[high])
