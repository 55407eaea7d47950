"""How well links and clusters agree with the hidden operators, beside an oracle that judges whole values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from infra.shop_generator.world import Ints, World


@dataclass(frozen=True)
class Score:
    """Over pairs of shops in one cluster: precision, recall, F1; shops in the largest cluster."""

    precision: float
    recall: float
    f1: float
    largest: int


def score(cluster: Ints, operator: Ints) -> Score:
    """The clusters against the operators; both are labels of the shops."""
    cluster = np.unique(cluster, return_inverse=True)[1].reshape(-1)
    together = np.unique(cluster * (operator.max() + 1) + operator, return_counts=True)[1]
    sizes = np.bincount(cluster)
    right, found, true = _pairs(together), _pairs(sizes), _pairs(np.bincount(operator))
    precision, recall = right / max(found, 1), right / max(true, 1)
    both = precision + recall
    return Score(precision, recall, 2 * precision * recall / both if both else 0.0, int(sizes.max()))


def oracle(world: World) -> Score:
    """Clusters of one who accepts a value if and only if a single operator's shops show it."""
    kind, key, shop = world.facts()
    value = np.unique(np.stack([kind, key]), axis=1, return_inverse=True)[1].reshape(-1)
    operator = world.operator[shop]
    low = np.full(int(value.max()) + 1, world.shops)
    high = np.full(len(low), -1)
    np.minimum.at(low, value, operator)
    np.maximum.at(high, value, operator)
    pure = (low == high)[value]
    edges = coo_array(
        (np.ones(int(pure.sum()), np.int8), (shop[pure], value[pure] + world.shops)),
        shape=(world.shops + len(low),) * 2,
    )
    return score(
        connected_components(edges, directed=False)[1][: world.shops].astype(np.int64), world.operator
    )


def direct(start: Ints, shop: Ints, links: npt.NDArray[np.bool_], operator: Ints) -> float:
    """Share of right ones among the pairs the values `links` link; shop[start[v]:start[v+1]] hold value v."""
    size = np.diff(start)
    value = np.repeat(np.arange(len(size)), size)
    taken = links[value]
    same = np.unique(value[taken] * (operator.max() + 1) + operator[shop[taken]], return_counts=True)[1]
    return _pairs(same) / max(_pairs(size[links]), 1)


def _pairs(sizes: npt.NDArray[np.integer]) -> float:
    sizes = sizes.astype(float)
    return float((sizes * (sizes - 1) / 2).sum())
