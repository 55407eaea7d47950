"""One run over a file: records are read, sorted, prepared in several processes, and written batch by batch.

A batch is one transaction that also moves the import's cursor: a run killed at any moment goes on at the
first record that is not in, and no row is there twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, Final

from services.common.database import Database
from services.common.personal import PersonalData
from services.registry.imports.reading.tables import Layout, Record, records
from services.registry.imports.taking.batches import Prepared, Setting
from services.registry.imports.taking.pool import Pool
from services.registry.imports.taking.sorting import Sorted, Sorter

BATCH: Final = 2_000
_AHEAD: Final = 12
"""Batches under way, about 4 MB each: while grams are sorted into their index, preparing goes on."""


@dataclass
class Counts:
    """What came of the records so far."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    doubled: int = 0
    error_count: int = 0
    warning_count: int = 0
    tallies: dict[str, int] = field(default_factory=dict)

    def add(self, batch: Sorted, prepared: Prepared) -> None:
        """Count a batch."""
        self.rows += batch.count
        self.created += prepared.created
        self.updated += prepared.updated
        self.unchanged += prepared.unchanged + len(batch.unchanged)
        self.doubled += prepared.doubled
        self.error_count += prepared.errors
        self.warning_count += prepared.warnings
        for code, times in prepared.tallies.items():
            self.tallies[code] = self.tallies.get(code, 0) + times


Take = Callable[[Sorted, Prepared], Awaitable[bool]]
"""Takes a prepared batch; gives whether to go on."""


class Run:
    """Reads one file to its end, or until told to stop."""

    def __init__(self, database: Database, personal: PersonalData, setting: Setting, processes: int) -> None:
        self._database = database
        self._setting, self._processes = setting, processes
        self._sorter = Sorter(setting, personal)
        self._waiting: deque[tuple[Sorted, asyncio.Future[Prepared]]] = deque()
        self._under_way: set[str] = set()

    async def go(self, file: IO[bytes], layout: Layout, after: int, take: Take) -> bool:
        """Take every record behind number `after`; False when it was stopped on the way."""
        pool = Pool(self._setting, self._processes)
        source = records(file, layout, max(after, layout.header))
        try:
            while items := await asyncio.to_thread(_next, self._sorter, source):
                first = {item.source_id for item in items if item.source_id}
                if first & self._under_way and not await self._drain(take, 0):
                    return False  # an id of a batch under way: that one must be in before it is looked up
                await self._submit(pool, items, after)
                after = items[-1].number
                if not await self._drain(take, _AHEAD):
                    return False
            return await self._drain(take, 0)
        finally:
            for _, asked in self._waiting:
                asked.cancel()
            pool.close()

    async def _submit(self, pool: Pool, items: list[Any], after: int) -> None:
        async with self._database.transaction() as session:
            batch, rows = await self._sorter.sort(session, items, after)
        self._under_way |= batch.named
        self._waiting.append((batch, await pool.submit(rows)))

    async def _drain(self, take: Take, leave: int) -> bool:
        while len(self._waiting) > leave:
            batch, asked = self._waiting.popleft()
            if not await take(batch, await asked):
                return False
            self._sorter.written(batch)
            self._under_way -= batch.named
        return True


def _next(sorter: Sorter, source: Iterator[Record]) -> list[Any]:
    return sorter.items(islice(source, BATCH))
