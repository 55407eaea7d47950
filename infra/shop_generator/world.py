"""The hidden truth as arrays: operators, what their shops show, super-nodes, typing mistakes.

Everything follows from the seed. A value is a number; `infra.shop_generator.spelling` gives it letters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

PHONE, QQ, WECHAT, ADDRESS, RETURN_ADDRESS, LICENCE, ICP, PAYMENT = 1, 2, 3, 4, 5, 6, 7, 9
"""Numbers of the kinds as the registry has them (services/registry/identifiers/kinds.py)."""

CSV_KINDS = (PHONE, QQ, WECHAT, ADDRESS, LICENCE, ICP)
TYPOS = {PHONE: 72, QQ: 72, WECHAT: 280, ADDRESS: 360, RETURN_ADDRESS: 360, LICENCE: 240, ICP: 54, PAYMENT: 1}
"""In how many ways one character goes wrong: so many mistyped copies of an agent's phone may meet again."""


@dataclass(frozen=True)
class Habit:
    """How shops show one kind: share of shops that do, shops per value of an operator, share mistyped."""

    shown: float
    shops_per_value: float
    mistyped: float


HABITS = {
    PHONE: Habit(0.62, 9, 0.03),
    QQ: Habit(0.22, 12, 0.03),
    WECHAT: Habit(0.30, 10, 0.03),
    ADDRESS: Habit(0.42, 14, 0.03),
    RETURN_ADDRESS: Habit(0.25, 25, 0.03),
    LICENCE: Habit(0.34, 12, 0.03),
    ICP: Habit(0.09, 30, 0.03),
    PAYMENT: Habit(0.12, 20, 0.0),
}

_HUB_KINDS = ((PHONE, 0.45), (ADDRESS, 0.33), (ICP, 0.06), (WECHAT, 0.10), (QQ, 0.06))
_HUBS = 132
_SMALL_HUBS = 160
_AT = 171_466


@dataclass(frozen=True)
class World:
    """Shops 0 … n-1, the operator of each, and for each kind the value every shop shows (-1: none)."""

    seed: int
    operator: Ints
    values: dict[int, Ints]
    typo: dict[int, Ints] = field(repr=False)
    hub_values: dict[int, int] = field(repr=False)
    touched: float

    @property
    def shops(self) -> int:
        """Number of shops."""
        return len(self.operator)

    def facts(self) -> tuple[Ints, Ints, Ints]:
        """(kind, key, shop) of every value shown, in no particular order; equal spelling, equal key."""
        kinds, keys, shops = [], [], []
        for kind, value in self.values.items():
            at = np.flatnonzero(value >= 0)
            kinds.append(np.full(len(at), kind, np.int64))
            keys.append(mixed(value[at] * (TYPOS[kind] + 1) + self.typo[kind][at], kind))
            shops.append(at)
        return np.concatenate(kinds), np.concatenate(keys), np.concatenate(shops)


def mixed(number: Ints, salt: int) -> Ints:
    """A bijective 64-bit scramble (splitmix64), so that keys look like keyed hashes."""
    with np.errstate(over="ignore"):
        z = number.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(salt + 1)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))).view(np.int64)


def make(
    shops: int,
    seed: int,
    hubs: float = 1.0,
    kinds: tuple[int, ...] = CSV_KINDS,
    largest: int = 60,
    tail: float = 2.35,
) -> World:
    """A world of that many shops.

    hubs: share of shops that super-nodes touch, as a multiple of the usual fifth; largest: shops of the
    largest operator; tail: exponent of the operators' sizes. Gives the same world for the same arguments.
    """
    rng = np.random.default_rng([seed, shops])
    operator = _operators(rng, shops, largest, tail)
    count = int(operator.max()) + 1 if shops else 0
    size = np.bincount(operator, minlength=count)
    values = {kind: _own(rng, operator, size, HABITS[kind]) for kind in kinds}
    hub_values, touched = _add_hubs(rng, operator, values, hubs)
    typo = {kind: _typos(rng, value, kind) for kind, value in values.items()}
    return World(seed, operator, values, typo, hub_values, touched)


def _operators(rng: np.random.Generator, shops: int, largest: int, tail: float) -> Ints:
    """The operator of each shop, in random order; sizes follow a power law."""
    sizes = np.arange(1, largest + 1, dtype=float) ** -tail
    chance = sizes / sizes.sum()
    mean = float((np.arange(1, largest + 1) * chance).sum())
    drawn = rng.choice(largest, size=int(shops / mean * 1.2) + 50, p=chance) + 1
    drawn[0] = min(largest, max(shops, 1))  # there is always one operator of the largest size
    ends = np.cumsum(drawn)
    until = int(np.searchsorted(ends, shops)) + 1
    operator = np.repeat(np.arange(until), drawn[:until])[:shops]
    return np.asarray(rng.permutation(operator), dtype=np.int64)


def _own(rng: np.random.Generator, operator: Ints, size: Ints, habit: Habit) -> Ints:
    """The value each shop shows: one of its operator's few, or none."""
    pool = 1 + rng.poisson(np.maximum(size - 1, 0) / habit.shops_per_value)
    base = np.concatenate([[0], np.cumsum(pool)[:-1]])
    # The first value of a pool is the usual one: half of the shops, the rest evenly.
    pick = (rng.random(len(operator)) ** 1.6 * pool[operator]).astype(np.int64)
    value = base[operator] + pick
    value[rng.random(len(operator)) >= habit.shown] = -1
    return np.asarray(value, dtype=np.int64)


def _add_hubs(
    rng: np.random.Generator, operator: Ints, values: dict[int, Ints], hubs: float
) -> tuple[dict[int, int], float]:
    """Super-nodes take the place of what shops show: agents' phones, virtual offices, shared filings."""
    shops = len(operator)
    scale = (shops / _AT) ** 0.75
    many, few = max(1, round(_HUBS * scale)), round(_SMALL_HUBS * scale * hubs)
    weights = 1 / np.arange(1, many + 1)
    large = np.minimum(weights / weights.sum() * shops * 0.18 * hubs, shops * 0.053)
    small = np.exp(rng.uniform(np.log(4), np.log(60), few))  # an agent with a handful of clients
    sizes = np.maximum(2, np.concatenate([large, small])).astype(np.int64)
    kinds = [(kind, weight) for kind, weight in _HUB_KINDS if kind in values]
    chance = np.array([weight for _, weight in kinds])
    drawn = rng.choice(len(kinds), size=len(sizes), p=chance / chance.sum())
    start = {kind: int(value.max(initial=-1)) + 1 for kind, value in values.items()}
    first = dict(start)
    order = np.argsort(operator, kind="stable")
    begin = np.searchsorted(operator[order], np.arange(int(operator.max()) + 2))
    touched = np.zeros(shops, bool)
    for number, (size, which) in enumerate(zip(sizes, drawn, strict=True)):
        at = _chosen(rng, int(size), shops, operator, order, begin, whole=number % 2 == 0)
        extra = [kinds[which][0]]
        if number % 7 == 3:  # an agent that gives its clients a second thing of its own
            extra.append(kinds[(which + 1) % len(kinds)][0])
        for kind in extra:
            values[kind][at] = start[kind]
            start[kind] += 1
        touched[at] = True
    return first, float(touched.mean())


def _chosen(
    rng: np.random.Generator, size: int, shops: int, operator: Ints, order: Ints, begin: Ints, *, whole: bool
) -> Ints:
    """Shops under one super-node: single ones, or operators with all their shops."""
    if not whole:
        return np.unique(rng.integers(0, shops, size))
    # An agent's clients are operators, large or small alike: not shops, which would favour the large.
    owners = np.unique(rng.integers(0, len(begin) - 1, size))
    rng.shuffle(owners)
    until = int(np.searchsorted(np.cumsum(begin[owners + 1] - begin[owners]), size)) + 1
    spans = [order[begin[o] : begin[o + 1]] for o in owners[:until]]
    return np.asarray(np.concatenate(spans), dtype=np.int64)


def _typos(rng: np.random.Generator, value: Ints, kind: int) -> Ints:
    """0, or which of the mistakes was made in typing the value."""
    wrong = rng.random(len(value)) < HABITS[kind].mistyped
    return np.where(wrong, rng.integers(1, TYPOS[kind] + 1, len(value)), 0).astype(np.int64)
