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
    """Reads one file to its end, or until told to stop; while batches are written the next are read."""

    def __init__(self, database: Database, personal: PersonalData, setting: Setting, processes: int) -> None:
        self._database = database
        self._setting, self._processes = setting, processes
        self._sorter = Sorter(setting, personal)
        self._waiting: deque[tuple[Sorted, asyncio.Future[Prepared]]] = deque()
        self._under_way: set[str] = set()
        self._moved = asyncio.Condition()
        self._at_end = self._stopped = False

    async def go(self, file: IO[bytes], layout: Layout, after: int, take: Take) -> bool:
        """Take every record behind number `after`; False when it was stopped on the way."""
        pool = Pool(self._setting, self._processes)
        source = records(file, layout, max(after, layout.header))
        reading = asyncio.create_task(self._read(pool, source, after), name="import-reading")
        try:
            return await self._write(reading, take)
        finally:
            self._stopped = True
            await self._tell()
            await asyncio.gather(reading, return_exceptions=True)
            for _, asked in self._waiting:
                asked.cancel()
            pool.close()

    async def _read(self, pool: Pool, source: Iterator[Record], after: int) -> None:
        try:
            await self._read_on(pool, source, after)
        finally:
            self._at_end = True
            await self._tell()

    async def _read_on(self, pool: Pool, source: Iterator[Record], after: int) -> None:
        while items := await asyncio.to_thread(_next, self._sorter, source):
            if not await self._room({item.source_id for item in items if item.source_id}):
                return
            async with self._database.transaction() as session:
                batch, rows = await self._sorter.sort(session, items, after)
            self._under_way |= batch.named
            self._waiting.append((batch, await pool.submit(rows)))
            await self._tell()
            after = items[-1].number

    async def _room(self, named: set[str]) -> bool:
        """Wait until the next records may be looked up; False when there is nothing more to do.

        Until then one of them bears the id of a row that is not written yet, or enough batches wait.
        """

        def free() -> bool:
            return len(self._waiting) < _AHEAD and self._under_way.isdisjoint(named)

        async with self._moved:
            await self._moved.wait_for(lambda: self._stopped or free())
        return not self._stopped

    async def _write(self, reading: asyncio.Task[None], take: Take) -> bool:
        while True:
            async with self._moved:
                await self._moved.wait_for(lambda: self._waiting or self._at_end)
            if not self._waiting:
                await reading  # raises what broke it
                return True
            batch, asked = self._waiting.popleft()
            if not await take(batch, await asked):
                return False
            self._sorter.written(batch)
            self._under_way -= batch.named
            await self._tell()

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()


def _next(sorter: Sorter, source: Iterator[Record]) -> list[Any]:
    return sorter.items(islice(source, BATCH))
