"""Who shows what, as arrays: shared values, their holders, and the way back from a shop to its values.

Ten million shops take about two gigabytes; a neighbourhood of some shops takes the same form, so that what is
recomputed for one change goes through the very code that computes everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from services.registry.linking import rules

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FEW = 1_000
"""Facts or edges up to which setting up what large numbers of them need takes longer than the work."""
_SOME = 150
"""The same for putting a neighbourhood's facts in order."""
_DENSE = 4
"""Shop numbers serve as places as they are while the highest is below so many times the number of facts."""


@dataclass(frozen=True)
class Incidence:
    """Shared values in the order of (key, kind), each with the places of its holders in ascending order.

    nos: number of the shop at each place; holders: how many shops show a value, also where not all are
    loaded; shows: bit per kind of what a shop shows that at most CONNECTOR shops show.
    """

    nos: Ints
    kind: Ints
    key: Ints
    holders: Ints
    start: Ints
    shop: Ints
    shows: Ints
    value_start: Ints
    value: Ints

    @property
    def values(self) -> int:
        """Number of shared values."""
        return len(self.kind)

    def rows(self) -> Ints:
        """The value of each entry of `shop`."""
        return np.repeat(np.arange(self.values), np.diff(self.start))

    def place(self, kind: int, key: int) -> int:
        """The place of a value; -1 where it is not here."""
        at = int(np.searchsorted(self.key, key))
        while at < self.values and self.key[at] == key:
            if self.kind[at] == kind:
                return at
            at += 1
        return -1


def ranges(begin: Ints, count: Ints) -> Ints:
    """The numbers begin[i] … begin[i]+count[i]-1, one stretch after the other."""
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.arange(total) + np.repeat(begin - (ends - count), count), dtype=np.int64)


def together(one: Ints, other: Ints, size: int) -> Ints:
    """A name for each of `size` nodes, the same for those that the edges one[i]–other[i] hold together."""
    if len(one) >= FEW:
        graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(size, size))
        return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
    name = list(range(size))
    for ends in zip(one.tolist(), other.tolist(), strict=True):
        a, b = ends
        while name[a] != a:
            name[a] = a = name[name[a]]
        while name[b] != b:
            name[b] = b = name[name[b]]
        if a < b:
            name[b] = a
        else:
            name[a] = b
    for node in range(size):  # who names a node stands before it
        name[node] = name[name[node]]
    return np.array(name, np.int64)


def gather(
    kinds: Sequence[int], keys: Sequence[int], shops: Sequence[int], holders: dict[tuple[int, int], int]
) -> Incidence:
    """The incidence of a neighbourhood: `build` of facts that are mostly few.

    holders: how many shops show a value of which not all holders are among the facts.
    """
    if len(kinds) >= _SOME:
        kind_of, key_of, no_of = (np.array(column, np.int64) for column in (kinds, keys, shops))
        return build(kind_of, key_of, no_of, holders)
    shown: dict[tuple[int, int], list[int]] = {}
    for kind, key, no in zip(kinds, keys, shops, strict=True):
        shown.setdefault((key, kind), []).append(no)
    nos = sorted({no for members in shown.values() for no in members})
    place = {no: at for at, no in enumerate(nos)}
    shows, values = [0] * len(nos), [list[int]() for _ in nos]
    shared, totals, ends, members_of = list[tuple[int, int]](), list[int](), [0], list[int]()
    for (key, kind), members in sorted(shown.items()):
        total = holders.get((kind, key), len(members))
        at = sorted([place[no] for no in members])
        if kind and total <= rules.CONNECTOR:  # no kind: it only gives a shop a place
            for one in at:
                shows[one] |= 1 << kind
        if total < 2:
            continue
        for one in at:
            values[one].append(len(shared))
        shared.append((kind, key))
        totals.append(total)
        members_of += at
        ends.append(len(members_of))
    names = zip(*shared, strict=True) if shared else ((), ())
    value_ends, value = accumulate(map(len, values), initial=0), chain.from_iterable(values)
    columns = (nos, *names, totals, ends, members_of, shows, list(value_ends), list(value))
    return Incidence(*(np.array(column, np.int64) for column in columns))


def build(kind: Ints, key: Ints, shop: Ints, holders: dict[tuple[int, int], int] | None = None) -> Incidence:
    """The incidence of the facts (kind, key, number of a shop), each fact once.

    holders: for a neighbourhood, how many shops show a value of which not all holders are among the facts.
    """
    nos, place = _places(shop)
    order = np.argsort(key)  # members are put in order below
    kind, key, place = kind[order], key[order], place[order]
    new = np.ones(len(key), bool)
    new[1:] = key[1:] != key[:-1]
    if bool(np.any(~new[1:] & (kind[1:] != kind[:-1]))):  # two kinds with one key: never in practice
        order = np.lexsort((place, kind, key))
        kind, key, place = kind[order], key[order], place[order]
        new[1:] = (key[1:] != key[:-1]) | (kind[1:] != kind[:-1])
    start = np.flatnonzero(new)
    count = np.diff(np.append(start, len(key)))
    total = _totals(kind[start], key[start], count, holders)
    shows = np.zeros(len(nos), np.int64)
    own = np.repeat(total <= rules.CONNECTOR, count)
    for one in np.unique(kind[start]).tolist():
        if not one:  # no kind: it only gives a shop a place
            continue
        at = place[own & (kind == one)]
        shows[at] |= 1 << int(one)
    shared = np.flatnonzero(total >= 2)
    taken = ranges(start[shared], count[shared])
    row = np.repeat(np.arange(len(shared)), count[shared])
    members = place[taken]
    inner = np.argsort(row * np.int64(len(nos) or 1) + members)
    members = members[inner]
    begin = np.append(0, np.cumsum(count[shared]))
    value_start, value = _turned(row, members, begin, len(nos))
    return Incidence(
        nos=nos,
        kind=kind[start[shared]],
        key=key[start[shared]],
        holders=total[shared],
        start=begin.astype(np.int64),
        shop=members,
        shows=shows,
        value_start=value_start,
        value=value,
    )


def _turned(row: Ints, members: Ints, begin: Ints, shops: int) -> tuple[Ints, Ints]:
    """The values of each shop, from the shops of each value."""
    back = csr_array(
        (np.ones(len(members), np.int8), members, begin), shape=(len(begin) - 1, shops or 1)
    ).tocsc()
    return back.indptr.astype(np.int64), back.indices.astype(np.int64)


def _places(shop: Ints) -> tuple[Ints, Ints]:
    highest = int(shop.max(initial=-1))
    if len(shop) > 100_000 and int(shop.min(initial=0)) >= 0 and highest < _DENSE * len(shop):
        return np.arange(highest + 1), shop
    nos, place = np.unique(shop, return_inverse=True)
    return nos, place.reshape(-1)


def _totals(kind: Ints, key: Ints, count: Ints, holders: dict[tuple[int, int], int] | None) -> Ints:
    if not holders:
        return count
    known = [
        holders.get(value, here)
        for value, here in zip(zip(kind.tolist(), key.tolist(), strict=True), count.tolist(), strict=True)
    ]
    return np.array(known, np.int64)


def portions(weight: Ints, most: int) -> Iterator[slice]:
    """Slices of consecutive items whose weights add up to about `most` each."""
    ends = np.cumsum(weight)
    begin = 0
    while begin < len(weight):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield slice(begin, end)
        begin = end
