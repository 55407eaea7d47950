"""Writing many rows in batches: what a transaction of a batch that can be done again asks of PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import Database

# Entries of GIN indexes wait and go in by large portions: a third of the work. Searches meanwhile read what
# waits. A batch a crash takes back is done again: only the end of the work need be on disk.
_IN_BATCHES = text(
    "SELECT set_config('gin_pending_list_limit', :portion, true), set_config('work_mem', '128MB', true),"
    " set_config('synchronous_commit', 'off', true)"
)
_DURABLE = text("SET LOCAL synchronous_commit = on")
_LARGE_PORTIONS = text(
    "SELECT set_config('maintenance_work_mem', '128MB', true), set_config('synchronous_commit', 'off', true)"
)
_SETTLE = text("SELECT gin_clean_pending_list(CAST(:name AS regclass))")


async def in_batches(session: AsyncSession, *, settling: bool = False) -> None:
    """Make the session's transaction one of many batches; settling: `Settling` sorts entries in beside it."""
    await session.execute(_IN_BATCHES, {"portion": "512MB" if settling else "64MB"})


async def durable(session: AsyncSession) -> None:
    """The batch is the last one: when it is committed, it is on disk with all before it."""
    await session.execute(_DURABLE)


class Settling:
    """Sorts the entries that wait into GIN indexes while the next batches are written.

    indexes: their names; every: batches (about 3 MB of entries each) that make a portion.
    """

    def __init__(self, database: Database, indexes: Sequence[str], every: int = 16) -> None:
        self._database, self._indexes, self._every = database, indexes, every
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None

    def written(self) -> None:
        """A batch was committed."""
        self._waiting += 1
        if self._waiting >= self._every and (self._task is None or self._task.done()):
            self._waiting = 0
            self._task = asyncio.create_task(self._settle(), name="gin-settling")

    async def end(self) -> None:
        """Sort in what is left."""
        if self._task is not None:
            await self._task
        await self._settle()

    async def _settle(self) -> None:
        await asyncio.gather(*map(self._settle_one, self._indexes))

    async def _settle_one(self, index: str) -> None:
        with suppress(DBAPIError):  # autovacuum does it later else
            async with self._database.transaction() as session:
                await session.execute(_LARGE_PORTIONS)
                await session.execute(_SETTLE, {"name": index})


@asynccontextmanager
async def undisturbed(database: Database, tables: Sequence[str]) -> AsyncIterator[None]:
    """While a list is written autovacuum leaves its tables alone: it would look at every part of it anew.

    Where somebody is at them already (autovacuum, another list), it goes on as it is. No tables: nothing.
    """
    if not tables:
        yield
        return
    async with database.transaction() as session:
        with suppress(DBAPIError):
            async with session.begin_nested():
                names = ", ".join(tables)
                await session.execute(text(f"LOCK TABLE {names} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT"))
        yield
