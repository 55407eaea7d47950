"""Judging many values at once: the figures of each and the verdict `rules.decide` gives on them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from services.registry.identifiers.kinds import Kind
from services.registry.linking import rules
from services.registry.linking.incidence import Bools, Incidence, Ints, portions, ranges, together
from services.registry.linking.rules import Code, Facts, State, Tally

CODES = tuple(Code)
_NUMBER = {code: number for number, code in enumerate(CODES)}
_LINKS = np.array([code in rules.LINKING for code in CODES])
"""For each place in CODES whether the verdict lets a value link."""


def _table(kinds: Collection[int]) -> Bools:
    """For each kind whether it is among these: looking up is cheaper than searching."""
    return np.array([kind in kinds for kind in range(max(Kind) + 1)])


_SUPPORTING, _SITES, _NAMING = _table(rules.SUPPORTING), _table(rules.SITES), _table(rules.NAMING)
_BITS = np.array([1 << kind for kind in sorted(rules.CLASHING)], np.int64)
_COUNTED = np.array([(1, kind in rules.REGISTERED) for kind in sorted(rules.CLASHING)], np.int64)
"""Which kinds count as clashes, and as clashes of what is registered."""
_TALLY = 5
"""Figures of a tally."""
_PORTION = 400_000
"""Holders that are looked at together: bounds memory, nothing else."""
_ONE_BY_ONE = 20
"""So few values are decided one by one: in less time than it takes to set up what many need."""


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
        return Facts(kind, holders, Tally(*found[:_TALLY]), Tally(*found[_TALLY:]))

    def state(self, kind: Ints) -> Ints:
        """State of each value (`rules.State`)."""
        supports = _SUPPORTING[kind] & (self.code != _NUMBER[Code.RULED_NOT_HUB])
        state = np.where(supports, int(State.SUPPORTS), int(State.LINKS))
        return np.where(_LINKS[self.code], state, int(State.HUB)).astype(np.int64)


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
    figures = np.full((inc.values, 2 * _TALLY), -1, np.int32)
    tested = np.flatnonzero(wanted & (inc.holders <= rules.LIMIT) & _doubtful(inc, wanted))
    usable = (inc.holders <= rules.CONNECTOR) & ~hub
    weight = inc.holders[tested]
    for part in portions(weight, _PORTION):
        figures[tested[part]] = _figures(inc, tested[part], usable)
        step(part.stop / len(tested))
    verdicts = Verdicts(code, figures.astype(np.int64))
    if len(tested) < _ONE_BY_ONE:
        code[tested] = [_NUMBER[rules.decide(verdicts.facts(inc, value))] for value in tested.tolist()]
    else:
        code[tested] = _decide(inc.kind[tested], inc.holders[tested], verdicts.figures[tested])
    code[hub] = _NUMBER[Code.RULED_HUB]
    code[free] = _NUMBER[Code.RULED_NOT_HUB]
    return verdicts


def _doubtful(inc: Incidence, wanted: Bools) -> Bools:
    """Values on more than SMALL shops, and those on fewer that clash enough if nothing ties them."""
    doubtful = inc.holders > rules.SMALL
    small = np.flatnonzero(wanted & ~doubtful)
    for part in portions(inc.holders[small], _PORTION):
        few = small[part]
        holders = inc.holders[few]
        value = np.repeat(np.arange(len(few)), holders)
        shown = inc.shows[inc.shop[ranges(inc.start[few], holders)]] & ~(np.int64(1) << inc.kind[few])[value]
        clashes = _clashes(len(few), value, np.arange(len(value)), shown)[:, 0]
        doubtful[few] = clashes >= _few(inc.kind[few])
    return doubtful


def _rulings(inc: Incidence, ruled: dict[tuple[int, int], bool]) -> tuple[Bools, Bools]:
    hub, free = np.zeros(inc.values, bool), np.zeros(inc.values, bool)
    for (kind, key), is_hub in ruled.items():
        at = inc.place(kind, key)
        if at >= 0:
            (hub if is_hub else free)[at] = True
    return hub, free


def _figures(inc: Incidence, targets: Ints, usable: Bools) -> Ints:
    """The figures of a tally, then the same without twins."""
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
    result = np.empty((len(targets), 2 * _TALLY), np.int64)
    result[:, :_TALLY] = _tally(inc, len(targets), at, shop, pair, other)
    result[:, _TALLY:] = result[:, :_TALLY]
    twinned = np.zeros(len(targets), bool)
    twinned[of[twin]] = True
    if twinned.any():
        rest = other.copy()  # who shows a twin shows nothing else by it
        both = twin[shared.reshape(-1)]
        np.bitwise_and.at(rest, holder[both], ~(np.int64(1) << inc.kind[tie[both]]))
        again = _tally(inc, len(targets), at, shop, pair[~twin & twinned[of]], rest)
        result[twinned, _TALLY:] = again[twinned]
    return result


def _tally(inc: Incidence, targets: int, at: Ints, shop: Ints, pair: Ints, other: Ints) -> Ints:
    """Joins the holders of each target that show another value alike, or values that one other shop shows."""
    shows = other != 0
    of, tie = pair // inc.values, pair % inc.values
    count = inc.start[tie + 1] - inc.start[tie]
    met = inc.shop[ranges(inc.start[tie], count)]
    places = np.int64(len(inc.nos))
    node, where = np.unique(np.repeat(of, count) * places + met, return_inverse=True)
    ties = np.repeat(np.arange(len(pair)), count)
    group = together(ties, where + len(pair), len(pair) + len(node))[len(pair) :]
    mine = at * places + shop
    found = np.searchsorted(node, mine)
    tied = np.zeros(len(mine), bool)
    inside = found < len(node)
    tied[inside] = node[found[inside]] == mine[inside]
    alone = len(pair) + len(node) + np.arange(len(mine))  # a holder nothing ties is a group
    alone[tied] = group[found[tied]]
    _, first, name, size = np.unique(alone, return_index=True, return_inverse=True, return_counts=True)
    owner = at[first]
    result = np.empty((targets, _TALLY), np.int64)
    result[:, 0] = np.bincount(at[shows | tied], minlength=targets)
    result[:, 1] = np.bincount(at[tied], minlength=targets)
    largest = np.zeros(targets, np.int64)
    np.maximum.at(largest, owner, size * tied[first])
    result[:, 2] = largest
    result[:, 3:] = _clashes(targets, owner, name.reshape(-1), other)
    return result


def _clashes(targets: int, owner: Ints, name: Ints, other: Ints) -> Ints:
    """For each target, and of REGISTERED alone: by kind, one less than the groups that show something of it.

    owner: target of each group; name: group of each holder; other: what the holder shows.
    """
    shown = np.zeros(len(owner), np.int64)
    np.bitwise_or.at(shown, name, other)
    group, column = np.nonzero(shown[:, None] & _BITS)
    groups = np.bincount(owner[group] * len(_BITS) + column, minlength=targets * len(_BITS))
    return np.maximum(groups.reshape(targets, -1) - 1, 0) @ _COUNTED


def _decide(kind: Ints, holders: Ints, figures: Ints) -> Ints:
    """`rules.decide` for many values at once (a test holds the two against each other)."""
    whole, apart = figures[:, :_TALLY], figures[:, _TALLY:]
    beside = (whole != apart).any(axis=1)
    code = _judge(kind, holders, apart, beside)
    before = _judge(kind, holders, whole, np.zeros_like(beside))
    twins = beside & ~_LINKS[code] & _LINKS[before]
    code = np.where(twins, _NUMBER[Code.TWINS], code)
    against = (whole[:, 2] < 2) & (whole[:, 3] >= _few(kind))
    few = np.where(against, _NUMBER[Code.SCATTERED], _NUMBER[Code.FEW])
    return np.where(holders <= rules.SMALL, few, code)


def _few(kind: Ints) -> Ints:
    few = np.where(_SITES[kind], rules.few(Kind.ICP), rules.few(Kind.PHONE))
    return np.where(_NAMING[kind], rules.few(Kind.LICENCE), few)


def _judge(kind: Ints, holders: Ints, figures: Ints, beside: Bools) -> Ints:
    showing, _, largest, clashes, registered = figures.T
    many = holders > rules.MANY
    ties = np.where(many, rules.TIES_MANY, rules.TIES)
    tied = (largest >= 2) & (100 * largest >= ties * showing)
    alone = (largest < 2) | (100 * largest <= rules.HIDING * holders)
    hiding = alone & (kind == Kind.RETURN_ADDRESS)
    none = (holders > np.where(beside, rules.UNTIED_BESIDE, rules.UNTIED)) | _SITES[kind]
    limit = np.where(none, 0, rules.CLASHES_STRICT)
    naming, own = _NAMING[kind], np.maximum(rules.CLASHES, holders)
    limit = np.where(naming, own, limit)
    untied = np.where(hiding, registered, clashes) <= limit
    allowed = np.where(naming, own, np.where(beside | many, rules.CLASHES_STRICT, rules.CLASHES))
    together = np.where(clashes <= allowed, _NUMBER[Code.TIED], _NUMBER[Code.APART])
    return np.where(tied, together, np.where(untied, _NUMBER[Code.UNKNOWN], _NUMBER[Code.SCATTERED]))
