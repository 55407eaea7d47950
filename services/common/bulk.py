"""Writing many rows in batches: what a transaction of a batch that can be done again asks of PostgreSQL."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Entries of GIN indexes wait and go in by large portions: a third of the work. Searches meanwhile read what
# waits. A batch a crash takes back is done again: only the end of the work need be on disk.
_IN_BATCHES = text(
    "SELECT set_config('gin_pending_list_limit', '64MB', true), set_config('work_mem', '128MB', true),"
    " set_config('synchronous_commit', 'off', true)"
)
_DURABLE = text("SET LOCAL synchronous_commit = on")
_SETTLE = text("SELECT gin_clean_pending_list(CAST(:name AS regclass))")


async def in_batches(session: AsyncSession) -> None:
    """Make the session's transaction one of many batches."""
    await session.execute(_IN_BATCHES)


async def durable(session: AsyncSession) -> None:
    """The batch is the last one: when it is committed, it is on disk with all before it."""
    await session.execute(_DURABLE)


async def settle(session: AsyncSession, index: str) -> None:
    """Sort the entries that wait into a GIN index, so that searches need not read them."""
    await in_batches(session)
    await session.execute(_SETTLE, {"name": index})
