"""Judging many values at once: the figures of each and the verdict `rules.decide` gives on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from services.registry.linking import rules
from services.registry.linking.incidence import Bools, Incidence, Ints, portions, ranges, registered_bits
from services.registry.linking.rules import Code, Facts, State, Tally

CODES = tuple(Code)
_NUMBER = {code: number for number, code in enumerate(CODES)}
_PORTION = 400_000
"""Holders that are looked at together: bounds memory, nothing else."""


@dataclass
class Verdicts:
    """Code (place in CODES) of each value, and the figures of those looked at (below 0: it was not)."""

    code: Ints
    figures: Ints

    def facts(self, inc: Incidence, value: int) -> Facts:
        """What the verdict on one value rests on."""
        kind, holders = int(inc.kind[value]), int(inc.holders[value])
        found = [int(figure) for figure in self.figures[value]]
        if found[0] < 0:
            return Facts(kind, holders)
        return Facts(kind, holders, Tally(*found[:3]), Tally(*found[4:7]), found[3], found[7])

    def state(self, kind: Ints) -> Ints:
        """State of each value (`rules.State`)."""
        linking = np.isin(self.code, [_NUMBER[code] for code in rules.LINKING])
        supports = np.isin(kind, list(rules.SUPPORTING)) & (self.code != _NUMBER[Code.RULED_NOT_HUB])
        state = np.where(supports, int(State.SUPPORTS), int(State.LINKS))
        return np.where(linking, state, int(State.HUB)).astype(np.int64)


def judge(
    inc: Incidence,
    which: Bools | None = None,
    ruled: dict[tuple[int, int], bool] | None = None,
    step: Callable[[float], None] = lambda share: None,
) -> Verdicts:
    """The verdict on the values of `which` (default: all).

    ruled: officers' rulings by (kind, key), True a hub. The holders of every value judged must all be loaded,
    with all their values and, where at most CONNECTOR shops show one, its holders.
    """
    hub, free = _rulings(inc, ruled or {})
    wanted = np.ones(inc.values, bool) if which is None else which
    code = np.full(inc.values, _NUMBER[Code.FEW], np.int64)
    code[inc.holders > rules.LIMIT] = _NUMBER[Code.TOO_MANY]
    figures = np.full((inc.values, 8), -1, np.int32)
    tested = np.flatnonzero(wanted & (inc.holders > rules.SMALL) & (inc.holders <= rules.LIMIT))
    usable = (inc.holders <= rules.CONNECTOR) & ~hub
    weight = inc.holders[tested]
    for part in portions(weight, _PORTION):
        figures[tested[part]] = _figures(inc, tested[part], usable)
        step(part.stop / len(tested))
    code[tested] = _decide(inc.kind[tested], inc.holders[tested], figures[tested].astype(np.int64))
    code[hub] = _NUMBER[Code.RULED_HUB]
    code[free] = _NUMBER[Code.RULED_NOT_HUB]
    return Verdicts(code, figures.astype(np.int64))


def _rulings(inc: Incidence, ruled: dict[tuple[int, int], bool]) -> tuple[Bools, Bools]:
    hub, free = np.zeros(inc.values, bool), np.zeros(inc.values, bool)
    for (kind, key), is_hub in ruled.items():
        first = int(np.searchsorted(inc.key, key))
        while first < inc.values and inc.key[first] == key:
            if inc.kind[first] == kind:
                (hub if is_hub else free)[first] = True
            first += 1
    return hub, free


def _figures(inc: Incidence, targets: Ints, usable: Bools) -> Ints:
    """Showing, tied, largest, registered; then the same without twins."""
    holders = inc.holders[targets]
    at = np.repeat(np.arange(len(targets)), holders)
    shop = inc.shop[ranges(inc.start[targets], holders)]
    kind = inc.kind[targets]
    other = inc.shows[shop] & ~(np.int64(1) << kind)[at]
    many = inc.value_start[shop + 1] - inc.value_start[shop]
    tie = inc.value[ranges(inc.value_start[shop], many)]
    holder = np.repeat(np.arange(len(shop)), many)
    keep = usable[tie] & (tie != targets[at[holder]])
    holder, tie = holder[keep], tie[keep]
    pair, shared, times = np.unique(
        at[holder] * np.int64(inc.values) + tie, return_inverse=True, return_counts=True
    )
    of = pair // inc.values
    twin = (times >= 3) & (100 * times >= rules.TWIN * holders[of])
    result = np.empty((len(targets), 8), np.int64)
    result[:, :4] = _tally(inc, len(targets), at, shop, pair, other)
    result[:, 4:] = result[:, :4]
    twinned = np.zeros(len(targets), bool)
    twinned[of[twin]] = True
    if twinned.any():
        rest = other.copy()  # who shows a twin shows nothing else by it
        both = twin[shared.reshape(-1)]
        np.bitwise_and.at(rest, holder[both], ~(np.int64(1) << inc.kind[tie[both]]))
        again = _tally(inc, len(targets), at, shop, pair[~twin & twinned[of]], rest)
        result[twinned, 4:] = again[twinned]
    return result


def _tally(inc: Incidence, targets: int, at: Ints, shop: Ints, pair: Ints, other: Ints) -> Ints:
    """Joins the holders of each target that show another value alike, or values that one other shop shows."""
    shows, registered = other != 0, (other & registered_bits()) != 0
    of, tie = pair // inc.values, pair % inc.values
    count = inc.holders[tie]
    met = inc.shop[ranges(inc.start[tie], count)]
    places = np.int64(len(inc.nos))
    node, where = np.unique(np.repeat(of, count) * places + met, return_inverse=True)
    edges = coo_array(
        (np.ones(len(where), np.int8), (np.repeat(np.arange(len(pair)), count), where + len(pair))),
        shape=(len(pair) + len(node),) * 2,
    )
    group = connected_components(edges, directed=False)[1][len(pair) :]
    mine = at * places + shop
    found = np.searchsorted(node, mine)
    tied = np.zeros(len(mine), bool)
    inside = found < len(node)
    tied[inside] = node[found[inside]] == mine[inside]
    label, size = np.unique(group[found[tied]], return_counts=True)
    owner = np.zeros(len(label), np.int64)
    owner[np.searchsorted(label, group[found[tied]])] = at[tied]
    largest = np.zeros(targets, np.int64)
    np.maximum.at(largest, owner, size)
    result = np.empty((targets, 4), np.int64)
    result[:, 0] = np.bincount(at[shows | tied], minlength=targets)
    result[:, 1] = np.bincount(at[tied], minlength=targets)
    result[:, 2] = largest
    result[:, 3] = np.bincount(at[registered | tied], minlength=targets)
    return result


def _decide(kind: Ints, holders: Ints, figures: Ints) -> Ints:
    """`rules.decide` for many values at once (a test holds the two against each other)."""
    apart = (figures[:, :3] != figures[:, 4:7]).any(axis=1)
    first = _judge(kind, holders, figures[:, :4], np.zeros(len(kind), bool))
    second = _judge(kind, holders, figures[:, 4:], apart)
    against = (_NUMBER[Code.SCATTERED], _NUMBER[Code.APART])
    return np.where(~np.isin(first, against) & np.isin(second, against), _NUMBER[Code.TWINS], first)


def _judge(kind: Ints, holders: Ints, figures: Ints, apart: Bools) -> Ints:
    showing, tied, largest, registered = figures.T
    address = np.isin(kind, list(rules.ADDRESSES))
    showing = np.where(~apart & address & (100 * (tied - 1) <= rules.HIDING * holders), registered, showing)
    table = np.array([rules.limits(number) for number in range(rules.LIMIT + 1)])
    together, alone = table[holders].T
    few = np.full(len(kind), 3)
    for one, number in rules.SHOWING_SMALL.items():
        few[kind == one] = number
    few = np.where(
        holders <= 8, np.minimum(few, np.maximum(8 - holders, 1)), 1 + holders * rules.SILENT // 100
    )
    few = np.where(apart, np.maximum(few, holders * rules.BESIDE // 100), few)
    scattered = (largest < 2) | (100 * largest < together * showing)
    apart = 100 * (showing - tied) > alone * showing
    code = np.where(apart, _NUMBER[Code.APART], _NUMBER[Code.TIED])
    code = np.where(scattered, _NUMBER[Code.SCATTERED], code)
    return np.where(showing <= few, _NUMBER[Code.UNKNOWN], code)
