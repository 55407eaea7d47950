"""Splink 5 (MoJ UK) on the same shops, when it and pyarrow happen to be installed."""

from __future__ import annotations

import time

import numpy as np

from infra.shop_generator.scoring import oracle, score
from infra.shop_generator.world import World

_CAP = 60
_THRESHOLDS = (0.05, 0.5, 0.9, 0.99, 0.999)


def beside(world: World) -> str:
    """One line: seconds and quality of Splink with a cap of 60 shops a value, at the best of some thresholds.

    The cap is a gift: without it no pair of shops of an agent could be compared in any time.
    """
    import pyarrow as pa
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    names = {kind: f"k{kind}" for kind in world.values}
    table = {"unique_id": pa.array(np.arange(world.shops))}
    kinds, keys, shops = world.facts()
    for kind, name in names.items():
        at = kinds == kind
        _, value, count = np.unique(keys[at], return_inverse=True, return_counts=True)
        column = np.full(world.shops, -1)
        column[shops[at]] = np.where(count[value] <= _CAP, value, -1)
        table[name] = pa.array([str(item) if item >= 0 else None for item in column.tolist()])
    began = time.perf_counter()
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[cl.ExactMatch(name) for name in names.values()],
        blocking_rules_to_generate_predictions=[block_on(name) for name in names.values()],
    )
    database = DuckDBAPI()
    linker = Linker(database.register(pa.table(table)), settings)
    linker.training.estimate_probability_two_random_records_match(
        [block_on(name) for name in names.values()], recall=0.8
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    for name in list(names.values())[:3]:
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(name))
    pairs = linker.inference.predict(threshold_match_probability=_THRESHOLDS[0])
    took = time.perf_counter() - began
    scores = []
    for threshold in _THRESHOLDS:
        began = time.perf_counter()
        found = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold)
        columns = found.as_dict()
        once = time.perf_counter() - began
        label = np.empty(world.shops, np.int64)
        label[np.array(columns["unique_id"])] = np.array(columns["cluster_id"])
        scores.append((score(label, world.operator), threshold, took + once))
    ours, threshold, took = max(scores, key=lambda item: item[0].f1)
    best = oracle(world)
    return (
        f"Splink beside it (best of {len(_THRESHOLDS)} thresholds, {threshold}): {took:.1f} s,"
        f" pairs right {ours.precision:.4f},"
        f" F1 {ours.f1 / best.f1:.1%} of the oracle's, largest {ours.largest}"
    )
