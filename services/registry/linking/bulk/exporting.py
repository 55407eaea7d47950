"""Links and clusters as CSV files, shops by their ids in the imported file."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import numpy as np

from services.common.database import Database
from services.registry.identifiers.kinds import Kind
from services.registry.imports.rules import neutralise
from services.registry.judgements import repository as judgements
from services.registry.linking.bulk import repository
from services.registry.linking.incidence import Ints

JUDGED: Final = "judged"
"""Reason of a link that is an officer's word alone."""


async def export_links(database: Database, path: Path) -> int:
    """Write every link (shop_a, shop_b, reasons: the kinds of what both show, by semicolons); gives how many.

    Raises OSError when the file cannot be written.
    """
    rows: list[tuple[int, int, int]] = []
    async with _reading(database) as connection:
        names = await repository.names(connection, None)
        async for part in repository.linking_facts(connection):
            rows += part
    async with database.transaction() as session:
        judged = await judgements.live(session)
    pairs, kinds = links(np.array(rows, np.int64).reshape(-1, 3))
    found = {pair: verdict for pair, verdict in judged.items() if set(pair) <= names.keys()}
    same = [pair for pair, verdict in found.items() if verdict == "same"]
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["shop_a", "shop_b", "reasons"])
        for (a, b), bits in zip(pairs.tolist(), kinds.tolist(), strict=True):
            if found.get((a, b)) != "different" and a in names and b in names:
                reasons = [*_kinds(bits), *([JUDGED] if found.pop((a, b), None) else [])]
                writer.writerow([neutralise(names[a]), neutralise(names[b]), ";".join(reasons)])
                written += 1
        for a, b in same:
            if (a, b) in found:
                writer.writerow([neutralise(names[a]), neutralise(names[b]), JUDGED])
                written += 1
    return written


async def export_clusters(database: Database, path: Path, source: str | None) -> tuple[int, int]:
    """Write (shop, cluster) of every shop, of one source or all; gives how many shops and clusters.

    Raises OSError when the file cannot be written.
    """
    shops = 0
    seen: set[int] = set()
    async with _reading(database) as connection:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["shop", "cluster"])
            async for part in repository.clusters(connection, source):
                writer.writerows((neutralise(shop), cluster) for shop, cluster in part)
                shops += len(part)
                seen.update(cluster for _, cluster in part)
    return shops, len(seen)


@asynccontextmanager
async def _reading(database: Database) -> AsyncIterator[repository.Connection]:
    await database.ping()
    connection = await repository.connect(database.engine.url)
    try:
        await connection.set_autocommit(False)
        yield connection
    finally:
        await connection.close()


def links(facts: Ints) -> tuple[Ints, Ints]:
    """Pairs of shops (lower number first, in order) and a bit per kind they share.

    facts: rows (kind, key, shop) in the order of the values, shops of a value in ascending order.
    """
    if not len(facts):
        return np.empty((0, 2), np.int64), np.empty(0, np.int64)
    kind, key, shop = facts.T
    new = np.append(True, (key[1:] != key[:-1]) | (kind[1:] != kind[:-1]))
    start = np.flatnonzero(new)
    size = np.diff(np.append(start, len(key)))
    parts = []
    for count in np.unique(size[size > 1]).tolist():
        begin = start[size == count]
        first, second = np.triu_indices(count, 1)
        pair = np.stack([shop[begin[:, None] + first], shop[begin[:, None] + second]], axis=-1)
        bits = np.repeat(np.int64(1) << kind[begin], len(first))
        parts.append(np.column_stack([pair.reshape(-1, 2), bits]))
    rows = np.concatenate(parts) if parts else np.empty((0, 3), np.int64)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    fresh = np.flatnonzero(np.append(True, (np.diff(rows[:, :2], axis=0) != 0).any(axis=1))[: len(rows)])
    if not len(rows):
        return rows[:, :2], rows[:, 2]
    return rows[fresh, :2], np.bitwise_or.reduceat(rows[:, 2], fresh)


def _kinds(bits: int) -> Iterator[str]:
    for kind in Kind:
        if bits >> kind & 1:
            yield kind.name.lower()
