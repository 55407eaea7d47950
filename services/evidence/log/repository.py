"""SQL of the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from sqlalchemy import Text, cast, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import Transaction, run
from services.evidence.log.models import LogCheckpoint, LogEntry, LogOrphan, LogShard

# Any fixed number: one writer at a time gives out leaf indexes, in whatever process it runs.
WRITER_LOCK = 7_420_101


class LeafIndex(int):
    """A leaf's index, which also knows the shard it counts in."""

    shard: int

    def __new__(cls, index: int, shard: int) -> Self:
        """The index `index` of shard number `shard`."""
        made = super().__new__(cls, index)
        made.shard = shard
        return made


@dataclass(frozen=True)
class Waiting:
    """An entry that has no index yet."""

    id: int
    ref: str
    entry: bytes


async def lock_writer(session: Transaction) -> None:
    """Become the only writer until the transaction ends."""
    await run(session, "SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": WRITER_LOCK})


ENQUEUE = (
    "INSERT INTO log_entries (ref, entry)"
    " SELECT ref, entry FROM unnest(%(refs)s::text[], %(entries)s::bytea[]) AS given(ref, entry)"
    " ON CONFLICT (ref) DO NOTHING"
)
"""Adds entries that wait: `refs` and `entries`, as many of each."""


async def enqueue(session: Transaction, waiting_entries: Mapping[str, bytes]) -> None:
    """Add entries by ref that wait for their indexes; a second one with the same ref changes nothing."""
    given = {"refs": list(waiting_entries), "entries": list(waiting_entries.values())}
    await run(session, ENQUEUE, given)


# One question for all, because every round trip is waited for: leaves not known here, entries that wait, and
# (beside those) which shard may be written to.
_UNREAD = (
    "WITH leaves AS (SELECT id, ref, entry, index FROM log_entries WHERE shard = %(shard)s"
    " AND index >= %(start)s ORDER BY index LIMIT %(most)s),"
    " waiting AS (SELECT id, ref, entry, index FROM log_entries"
    " WHERE index IS NULL ORDER BY id LIMIT %(batch)s)"
    " SELECT found.*, (SELECT max(number) FILTER (WHERE state = 'open' AND refusal IS NULL) FROM log_shards)"
    " FROM (SELECT * FROM leaves UNION ALL SELECT * FROM waiting) AS found ORDER BY index NULLS LAST, id"
)


@dataclass(frozen=True)
class Unread:
    """Leaves not known to this process, the oldest entries that wait, the shard that may be written to."""

    leaves: list[bytes]
    waiting: list[Waiting]
    writable: int | None


async def unread(session: Transaction, shard: int, start: int, most: int, batch: int) -> Unread:
    """Leaves of a shard from `start` on (at most `most`), and entries that wait. Raises MissingLeafError."""
    given = {"shard": shard, "start": start, "most": most, "batch": batch}
    found, writable = Unread([], [], None), None
    for row, ref, entry, index, open_shard in await run(session, _UNREAD, given):
        writable = open_shard
        if index is None:
            found.waiting.append(Waiting(row, ref, entry))
        elif index != start + len(found.leaves):
            raise MissingLeafError(start + len(found.leaves))
        else:
            found.leaves.append(entry)
    return replace(found, writable=writable)


_ASSIGN = (
    "WITH given AS (SELECT * FROM unnest(%(ids)s::bigint[], %(indexes)s::bigint[]) AS g(id, index)),"
    " done AS (UPDATE log_entries SET shard = %(shard)s, index = given.index FROM given"
    " WHERE log_entries.id = given.id)"
    " INSERT INTO log_checkpoints (shard, size, note) VALUES (%(shard)s, %(size)s, %(note)s)"
)


async def assign(
    session: Transaction, shard: int, indexes: Sequence[tuple[int, int]], size: int, note: str
) -> None:
    """Give entries (by row id) their leaf indexes and keep the checkpoint signed over them."""
    given = {
        "ids": [row for row, _ in indexes],
        "indexes": [index for _, index in indexes],
        "shard": shard,
        "size": size,
        "note": note,
    }
    await run(session, _ASSIGN, given)


class MissingLeafError(RuntimeError):
    """A leaf below later ones is not in the database."""

    def __init__(self, index: int) -> None:
        super().__init__(f"leaf {index} is missing")
        self.index = index


@dataclass(frozen=True)
class Leaf:
    """A leaf with the name it was queued under."""

    index: int
    ref: str
    entry: bytes


async def leaves(session: AsyncSession, shard: int, start: int, end: int) -> list[Leaf]:
    """The leaves start … end-1 that are there, in order (with gaps where rows are missing)."""
    rows = await session.execute(
        select(LogEntry.index, LogEntry.ref, LogEntry.entry)
        .where(LogEntry.shard == shard, LogEntry.index >= start, LogEntry.index < end)
        .order_by(LogEntry.index)
    )
    return [Leaf(int(index or 0), ref, entry) for index, ref, entry in rows]


async def entries(session: AsyncSession, shard: int, start: int, end: int) -> list[bytes]:
    """The entries of leaves start … end-1, or as many as there are, in order. Raises MissingLeafError."""
    found: list[bytes] = []
    for leaf in await leaves(session, shard, start, end):
        if leaf.index != start + len(found):
            raise MissingLeafError(start + len(found))
        found.append(leaf.entry)
    return found


async def one_snapshot(session: AsyncSession) -> None:
    """Have all that follows in this transaction see the same moment."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


async def leaf_count(session: AsyncSession, shard: int) -> int:
    """One more than the highest leaf index of a shard; 0 without leaves."""
    query = select(func.max(LogEntry.index)).where(LogEntry.shard == shard)
    highest = (await session.execute(query)).scalar_one_or_none()
    return 0 if highest is None else highest + 1


async def index_of(session: AsyncSession, ref: str) -> LeafIndex | None:
    """The leaf index of an entry; None while it waits or when there is none."""
    row = (await session.execute(select(LogEntry.index, LogEntry.shard).where(LogEntry.ref == ref))).first()
    return None if row is None or row[0] is None else LeafIndex(row[0], row[1] or 0)


async def entry_of(session: AsyncSession, ref: str) -> bytes | None:
    """The entry queued or logged under a name."""
    return (await session.execute(select(LogEntry.entry).where(LogEntry.ref == ref))).scalar_one_or_none()


async def indexes_of(session: AsyncSession, refs: Sequence[str]) -> dict[str, LeafIndex]:
    """Leaf indexes by ref of those entries that have one."""
    rows = await session.execute(
        select(LogEntry.ref, LogEntry.index, LogEntry.shard).where(
            LogEntry.ref.in_(refs), LogEntry.index.is_not(None)
        )
    )
    return {ref: LeafIndex(index, shard or 0) for ref, index, shard in rows if index is not None}


async def add_checkpoint(session: AsyncSession, shard: int, tree_size: int, note: str) -> None:
    """Keep a signed checkpoint."""
    await session.execute(insert(LogCheckpoint).values(shard=shard, size=tree_size, note=note))


async def newest_checkpoint(session: AsyncSession, shard: int) -> LogCheckpoint | None:
    """The checkpoint of a shard's largest tree."""
    query = (
        select(LogCheckpoint).where(LogCheckpoint.shard == shard).order_by(LogCheckpoint.size.desc()).limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def newest_cosigned(session: AsyncSession, shard: int) -> LogCheckpoint | None:
    """The cosigned checkpoint of a shard's largest tree."""
    query = (
        select(LogCheckpoint)
        .where(LogCheckpoint.shard == shard, LogCheckpoint.cosigned.is_not(None))
        .order_by(LogCheckpoint.size.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def first_checkpoint_over(
    session: AsyncSession, shard: int, index: int, *, cosigned: bool = False
) -> LogCheckpoint | None:
    """The earliest checkpoint (cosigned: among the cosigned ones) whose tree holds leaf `index`."""
    query = (
        select(LogCheckpoint)
        .where(LogCheckpoint.shard == shard, LogCheckpoint.size > index)
        .order_by(LogCheckpoint.size)
        .limit(1)
    )
    if cosigned:
        query = query.where(LogCheckpoint.cosigned.is_not(None))
    return (await session.execute(query)).scalar_one_or_none()


async def checkpoint(session: AsyncSession, shard: int, tree_size: int) -> LogCheckpoint | None:
    """The checkpoint of exactly this size."""
    return await session.get(LogCheckpoint, (shard, tree_size))


async def checkpoint_note(session: Transaction, shard: int, tree_size: int) -> str | None:
    """The note of the checkpoint of exactly this size, as signed."""
    query = "SELECT note FROM log_checkpoints WHERE shard = %(shard)s AND size = %(size)s"
    found = await run(session, query, {"shard": shard, "size": tree_size})
    return str(found[0][0]) if found else None


_KEEP_COSIGNED = (
    "UPDATE log_checkpoints SET cosigned = %(cosigned)s"
    " WHERE shard = %(shard)s AND size = %(size)s AND cosigned IS NULL"
)


async def keep_cosigned(session: Transaction, shard: int, tree_size: int, cosigned: str) -> None:
    """Keep the first cosigned form of a checkpoint. A crash may lose it: each item has its own proof."""
    await run(session, "SET LOCAL synchronous_commit TO off", {})
    await run(session, _KEEP_COSIGNED, {"shard": shard, "size": tree_size, "cosigned": cosigned})


async def checkpoints(session: AsyncSession, shard: int, after: int, limit: int) -> list[LogCheckpoint]:
    """A shard's checkpoints above a size, in order."""
    query = (
        select(LogCheckpoint)
        .where(LogCheckpoint.shard == shard, LogCheckpoint.size > after)
        .order_by(LogCheckpoint.size)
        .limit(limit)
    )
    return list((await session.execute(query)).scalars())


async def shards(session: AsyncSession) -> list[LogShard]:
    """All shards in order; the last one is written to."""
    query = select(LogShard).order_by(LogShard.number).execution_options(populate_existing=True)
    return list((await session.execute(query)).scalars())


async def add_shard(session: AsyncSession, number: int, origin: str, vkey: str) -> None:
    """Open a shard."""
    await session.execute(insert(LogShard).values(number=number, origin=origin, vkey=vkey, state="open"))


async def close_shard(session: AsyncSession, number: int, state: str) -> None:
    """Close a shard as `frozen` or `forked`."""
    await session.execute(
        update(LogShard).where(LogShard.number == number).values(state=state, closed_at=func.now())
    )


async def note_refusal(session: AsyncSession, number: int, refusal: dict[str, Any] | None) -> None:
    """Keep why a shard signs nothing any more, or that it may again (None)."""
    await session.execute(update(LogShard).where(LogShard.number == number).values(refusal=refusal))


async def restore_leaf(session: AsyncSession, shard: int, index: int, ref: str, entry: bytes) -> None:
    """Put a lost leaf back: the waiting entry of the same ref and bytes becomes it, else a new row does.

    A waiting entry of that ref with other bytes was not this leaf; the leaf then gets a ref of its own.
    """
    found = await session.execute(
        update(LogEntry)
        .where(LogEntry.ref == ref, LogEntry.index.is_(None), LogEntry.entry == entry)
        .values(shard=shard, index=index)
        .returning(LogEntry.id)
    )
    if found.first() is not None:
        return
    taken = (await session.execute(select(LogEntry.id).where(LogEntry.ref == ref))).first()
    own = f"recovered:{shard}:{index}" if taken else ref
    await session.execute(insert(LogEntry).values(shard=shard, index=index, ref=own, entry=entry))


async def correct_leaf(session: AsyncSession, shard: int, index: int, entry: bytes) -> None:
    """Put back a leaf's own bytes where a row was changed; the changed row is kept as an orphan."""
    chosen = (LogEntry.shard == shard) & (LogEntry.index == index)
    columns = (LogEntry.shard, LogEntry.index, LogEntry.ref, LogEntry.entry)
    await session.execute(
        insert(LogOrphan).from_select(["shard", "index", "ref", "entry"], select(*columns).where(chosen))
    )
    await session.execute(update(LogEntry).where(chosen).values(entry=entry))


async def orphan_leaves(session: AsyncSession, shard: int, start: int) -> int:
    """Take the leaves from `start` on out of a shard, keeping them as orphans; they wait again. How many."""
    chosen = (LogEntry.shard == shard) & (LogEntry.index >= start)
    columns = (LogEntry.shard, LogEntry.index, LogEntry.ref, LogEntry.entry)
    await session.execute(
        insert(LogOrphan).from_select(["shard", "index", "ref", "entry"], select(*columns).where(chosen))
    )
    moved = await session.execute(
        update(LogEntry).where(chosen).values(shard=None, index=None).returning(cast(LogEntry.id, Text))
    )
    return len(moved.all())
