"""SQL of the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.evidence.log.models import LogCheckpoint, LogEntry

# Any fixed number: one writer at a time gives out leaf indexes, in whatever process it runs.
_WRITER_LOCK = 7_420_101


@dataclass(frozen=True)
class Waiting:
    """An entry that has no index yet."""

    id: int
    ref: str
    entry: bytes


async def lock_writer(session: AsyncSession) -> None:
    """Become the only writer until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(_WRITER_LOCK)))


_ENQUEUE = text(
    "INSERT INTO log_entries (ref, entry)"
    " SELECT ref, entry FROM unnest(CAST(:refs AS text[]), CAST(:entries AS bytea[])) AS given(ref, entry)"
    " ON CONFLICT (ref) DO NOTHING"
)


async def enqueue(session: AsyncSession, waiting_entries: Mapping[str, bytes]) -> None:
    """Add entries by ref that wait for their indexes; a second one with the same ref changes nothing."""
    await session.execute(
        _ENQUEUE, {"refs": list(waiting_entries), "entries": list(waiting_entries.values())}
    )


async def waiting(session: AsyncSession, limit: int) -> list[Waiting]:
    """Entries without an index, oldest first."""
    rows = await session.execute(
        select(LogEntry.id, LogEntry.ref, LogEntry.entry)
        .where(LogEntry.index.is_(None))
        .order_by(LogEntry.id)
        .limit(limit)
    )
    return [Waiting(*row) for row in rows]


async def assign(session: AsyncSession, indexes: Sequence[tuple[int, int]]) -> None:
    """Give entries (by row id) their leaf indexes."""
    await session.execute(
        text(
            "UPDATE log_entries SET index = given.index"
            " FROM unnest(CAST(:ids AS bigint[]), CAST(:indexes AS bigint[])) AS given(id, index)"
            " WHERE log_entries.id = given.id"
        ),
        {"ids": [row for row, _ in indexes], "indexes": [index for _, index in indexes]},
    )


class MissingLeafError(RuntimeError):
    """A leaf below later ones is not in the database."""

    def __init__(self, index: int) -> None:
        super().__init__(f"leaf {index} is missing")
        self.index = index


async def entries(session: AsyncSession, start: int, end: int) -> list[bytes]:
    """The entries of leaves start … end-1, or as many as there are, in order. Raises MissingLeafError."""
    rows = await session.execute(
        select(LogEntry.index, LogEntry.entry)
        .where(LogEntry.index >= start, LogEntry.index < end)
        .order_by(LogEntry.index)
    )
    found: list[bytes] = []
    for index, entry in rows:
        if index != start + len(found):
            raise MissingLeafError(start + len(found))
        found.append(entry)
    return found


async def index_of(session: AsyncSession, ref: str) -> int | None:
    """The leaf index of an entry; None while it waits or when there is none."""
    return (await session.execute(select(LogEntry.index).where(LogEntry.ref == ref))).scalar_one_or_none()


async def indexes_of(session: AsyncSession, refs: Sequence[str]) -> dict[str, int]:
    """Leaf indexes by ref of those entries that have one."""
    rows = await session.execute(
        select(LogEntry.ref, LogEntry.index).where(LogEntry.ref.in_(refs), LogEntry.index.is_not(None))
    )
    return {ref: index for ref, index in rows if index is not None}


async def add_checkpoint(session: AsyncSession, tree_size: int, note: str) -> None:
    """Keep a signed checkpoint."""
    await session.execute(insert(LogCheckpoint).values(size=tree_size, note=note))


async def newest_checkpoint(session: AsyncSession) -> LogCheckpoint | None:
    """The checkpoint of the largest tree."""
    query = select(LogCheckpoint).order_by(LogCheckpoint.size.desc()).limit(1)
    return (await session.execute(query)).scalar_one_or_none()


async def first_checkpoint_over(session: AsyncSession, index: int) -> LogCheckpoint | None:
    """The earliest checkpoint whose tree holds leaf `index`."""
    query = select(LogCheckpoint).where(LogCheckpoint.size > index).order_by(LogCheckpoint.size).limit(1)
    return (await session.execute(query)).scalar_one_or_none()


async def checkpoint(session: AsyncSession, tree_size: int) -> LogCheckpoint | None:
    """The checkpoint of exactly this size."""
    return await session.get(LogCheckpoint, tree_size)


async def cosigned_over(session: AsyncSession, index: int) -> LogCheckpoint | None:
    """The earliest cosigned checkpoint whose tree holds leaf `index`."""
    query = (
        select(LogCheckpoint)
        .where(LogCheckpoint.size > index, LogCheckpoint.cosigned.is_not(None))
        .order_by(LogCheckpoint.size)
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def keep_cosigned(session: AsyncSession, tree_size: int, cosigned: str) -> None:
    """Keep the first cosigned form of a checkpoint."""
    await session.execute(
        update(LogCheckpoint)
        .where(LogCheckpoint.size == tree_size, LogCheckpoint.cosigned.is_(None))
        .values(cosigned=cosigned)
    )


async def checkpoints(session: AsyncSession, after: int, limit: int) -> list[LogCheckpoint]:
    """Checkpoints above a size, in order."""
    query = select(LogCheckpoint).where(LogCheckpoint.size > after).order_by(LogCheckpoint.size).limit(limit)
    return list((await session.execute(query)).scalars())
