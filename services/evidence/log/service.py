"""The transparency log: group commit of entries, signed checkpoints, cosignatures, proofs, published tiles.

PostgreSQL holds the truth (entries with their indexes, checkpoints); the tree in memory and the tiles on disk
are derived from it. One transaction under an advisory lock gives a batch its indexes and keeps the checkpoint
signed over it, so a checkpoint never leaves the process before its leaves are durable.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.database import Database
from services.evidence.custodian import CustodianClient, WitnessIsAheadError, log_fork
from services.evidence.log import repository, tiles
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.log.models import LogCheckpoint
from services.evidence.log.notes import Checkpoint, log_key, open_checkpoint, sign_checkpoint
from services.evidence.log.proofs import format_proof

log = structlog.get_logger()

BATCH = 1024
# Entries nobody waits for (custody events) join the next urgent batch, or go after this many seconds.
PATIENCE = 0.25
# Entries queued without a word (by a fact from another service) are found after this many seconds.
LONGEST_WAIT = 5.0
_POLL = 0.5
_LOAD = 50_000


async def _happens(event: asyncio.Event, within: float) -> None:
    """Wait until the event is set, at most `within` seconds."""
    waiter = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({waiter}, timeout=within)
    finally:
        waiter.cancel()


class LogCorruptError(RuntimeError):
    """The stored entries do not give the root of the newest signed checkpoint: nothing may be signed."""


@dataclass(frozen=True)
class Cosigned:
    """A checkpoint with the witness's line: tree size and note."""

    size: int
    note: str


class TransparencyLog:
    """The log `origin`, written by any process that holds the database's writer lock."""

    def __init__(self, database: Database, key: Ed25519PrivateKey, origin: str, folder: Path) -> None:
        self.origin, self.key, self.folder = origin, key, folder
        self.public = log_key(origin, key)
        self._database, self._tree = database, MerkleTree()
        self._published, self._shown = 0, b""
        # Entries from the start of the newest bundle on, so that publishing needs no query.
        self._tail_start, self._tail = 0, list[bytes]()
        self._wake, self._urgent = asyncio.Event(), asyncio.Event()
        self._waiters: dict[str, list[asyncio.Future[int]]] = {}
        self._writing, self._cosigning, self._publishing = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
        self._witness_size = 0
        self._newest: LogCheckpoint | None = None
        self._cosigned: Cosigned | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.failure: str | None = None

    async def start(self) -> None:
        """Load the tree, compare it with the newest checkpoint, write missing tiles, begin to write.

        Raises LogCorruptError when entries and checkpoint disagree.
        """
        try:
            async with self._database.transaction() as session:
                await self._catch_up(session)
                newest = await repository.newest_checkpoint(session)
        except repository.MissingLeafError as error:
            raise LogCorruptError(str(error)) from error
        if newest is not None:
            head = open_checkpoint(newest.note, self.public)
            if head.size > self._tree.size or self._tree.root(head.size) != head.root:
                raise LogCorruptError(f"the entries do not give the root signed at size {head.size}")
        self._newest = newest
        self._read_published()
        await self._publish()
        await self._load_tail()
        self._tasks = [asyncio.create_task(self._run(), name="log-writer")]

    async def _load_tail(self) -> None:
        start = self._tree.size - self._tree.size % tiles.WIDTH
        async with self._database.transaction() as session:
            self._tail = await repository.entries(session, start, self._tree.size)
        self._tail_start = start

    def _append(self, entry: bytes) -> int:
        self._tail.append(entry)
        return self._tree.append(leaf_hash(entry))

    def _forget(self, size: int) -> None:
        """Take back leaves whose transaction failed."""
        self._tree.truncate(size)
        del self._tail[max(0, size - self._tail_start) :]

    async def stop(self) -> None:
        """Stop writing; entries that wait are written at the next start."""
        for task in self._tasks:
            task.cancel()
        if self._keeping:
            self._tasks.append(self._keeping)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def size(self) -> int:
        """Leaves known to this process."""
        return self._tree.size

    async def leaf(self, index: int) -> bytes | None:
        """The leaf hash at `index` as the tree holds it; None beyond the tree."""
        await self._ensure_loaded(index + 1)
        return self._tree.node(0, index) if index < self._tree.size else None

    def wake(self, *, urgent: bool = True) -> None:
        """Say that entries wait; urgent ones at once, others within PATIENCE."""
        self._wake.set()
        if urgent:
            self._urgent.set()

    async def wait_for(self, ref: str) -> int:
        """Wait until the queued entry `ref` is a leaf; gives its index."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(ref, []).append(future)
        self.wake()
        try:
            while True:
                done, _ = await asyncio.wait({future}, timeout=_POLL)
                if done:
                    return future.result()
                # Another process may have written it.
                async with self._database.transaction() as session:
                    index = await repository.index_of(session, ref)
                if index is not None:
                    return index
                self.wake()
        finally:
            waiting = self._waiters.get(ref, [])
            if future in waiting:
                waiting.remove(future)
            if not waiting:
                self._waiters.pop(ref, None)

    async def _run(self) -> None:
        while True:
            await _happens(self._wake, LONGEST_WAIT)
            await _happens(self._urgent, PATIENCE)
            self._wake.clear()
            self._urgent.clear()
            try:
                while await self.write_batch() == BATCH:
                    await self._publish()
                self.failure = None
                await self._publish()
            except Exception as error:
                # The entries stay queued in the database; the next wake-up tries again.
                self.failure = type(error).__name__
                log.error("log.write_failed", exc_info=error)
                await asyncio.sleep(_POLL)
                self.wake()

    async def write_batch(self) -> int:
        """Turn waiting entries into leaves under one signed checkpoint; gives how many."""
        async with self._writing:
            written: list[tuple[str, int]] = []
            newest: LogCheckpoint | None = None
            before = self._tree.size
            try:
                async with self._database.transaction() as session:
                    await repository.lock_writer(session)
                    await self._catch_up(session)
                    before = self._tree.size
                    batch = await repository.waiting(session, BATCH)
                    if batch:
                        indexes = [(row.id, self._append(row.entry)) for row in batch]
                        written = [(row.ref, at) for row, (_, at) in zip(batch, indexes, strict=True)]
                        await repository.assign(session, indexes)
                        head = Checkpoint(self.origin, self._tree.size, self._tree.root())
                        newest = LogCheckpoint(size=head.size, note=sign_checkpoint(head, self.key))
                        await repository.add_checkpoint(session, newest.size, newest.note)
            except BaseException:
                self._forget(before)
                raise
            self._newest = newest or self._newest
            for ref, index in written:
                for future in self._waiters.get(ref, []):
                    if not future.done():
                        future.set_result(index)
            return len(written)

    async def _catch_up(self, session: AsyncSession) -> None:
        """Add leaves that other processes (or a commit whose answer was lost) have written."""
        while True:
            known = self._tree.size
            found = await repository.entries(session, known, known + _LOAD)
            for entry in found:
                self._append(entry)
            if len(found) < _LOAD:
                return

    async def _publish(self) -> None:
        """Write the tiles and the checkpoint file; they follow the database and can be rebuilt from it."""
        async with self._publishing:
            newest = self._newest
            if newest is None or newest.size > self._tree.size:
                return
            while self._published < newest.size:
                await self._publish_to(min(newest.size, self._published + _LOAD))
            note = newest.note.encode()
            if note != self._shown:
                await asyncio.to_thread(tiles.write_synced, self.folder / "checkpoint", note)
                self._shown = note

    async def _publish_to(self, new: int) -> None:
        old = self._published
        first = old - old % tiles.WIDTH
        if first >= self._tail_start:
            entries = self._tail[first - self._tail_start : new - self._tail_start]
        else:
            async with self._database.transaction() as session:
                entries = await repository.entries(session, first, new)
        # Made here, where the tree does not change meanwhile; only the disk waits in a thread.
        made = list(
            tiles.all_tiles(self._tree, lambda start, end: entries[start - first : end - first], old, new)
        )
        await asyncio.to_thread(tiles.publish, self.folder, made)
        self._published = new
        keep = new - new % tiles.WIDTH
        if keep > self._tail_start:
            del self._tail[: keep - self._tail_start]
            self._tail_start = keep

    def _read_published(self) -> None:
        """Take over what an earlier run published, if it is a checkpoint of this tree."""
        file = self.folder / "checkpoint"
        if not file.exists():
            return
        self._shown = file.read_bytes()
        try:
            head = open_checkpoint(self._shown.decode("utf-8"), self.public)
        except ValueError:
            log.warning("log.published_checkpoint_unusable")
            return
        if head.size <= self._tree.size and self._tree.root(head.size) == head.root:
            self._published = head.size

    async def checkpoint_over(self, index: int) -> str:
        """The earliest signed checkpoint whose tree holds leaf `index`."""
        async with self._database.transaction() as session:
            found = await repository.first_checkpoint_over(session, index)
        if found is None:
            raise LookupError(f"leaf {index} has no checkpoint")
        return found.note

    async def cosigned_over(self, index: int, custodian: CustodianClient) -> Cosigned:
        """A checkpoint over leaf `index` that the custodian cosigned; asks it when there is none yet.

        Raises Problem 503 when the custodian is away, 502 `evidence.log_fork` when it saw another history.
        """
        async with self._cosigning:
            if self._cosigned is not None and self._cosigned.size > index:
                return self._cosigned
            newest = self._newest
            if newest is None or newest.size <= index:
                async with self._database.transaction() as session:
                    found = await repository.cosigned_over(session, index)
                    newest = await repository.newest_checkpoint(session)
                if found is not None and found.cosigned is not None:
                    return Cosigned(found.size, found.cosigned)
                if newest is None or newest.size <= index:
                    raise LookupError(f"leaf {index} has no checkpoint")
            self._cosigned = await self._cosign(newest, custodian)
            return self._cosigned

    async def _cosign(self, newest: LogCheckpoint, custodian: CustodianClient) -> Cosigned:
        for _ in range(4):
            await self._ensure_loaded(newest.size)
            if self._witness_size > newest.size:
                # It saw a later tree than we know: another process wrote it, or a backup was restored.
                newest = await self._newest_at_least(self._witness_size)
                continue
            proof = self._tree.consistency_proof(self._witness_size, newest.size)
            try:
                line = await custodian.cosign(self._witness_size, proof, newest.note)
            except WitnessIsAheadError as answer:
                self._witness_size = answer.size
                continue
            self._witness_size = newest.size
            cosigned = Cosigned(newest.size, newest.note + line)
            # Not waited for: an item keeps the cosignature in its own proof, this copy is for monitors.
            self._keeping = asyncio.create_task(self._keep_cosigned(cosigned))
            return cosigned
        raise log_fork()

    async def _keep_cosigned(self, cosigned: Cosigned) -> None:
        async with self._database.transaction() as session:
            await repository.keep_cosigned(session, cosigned.size, cosigned.note)

    async def _newest_at_least(self, size: int) -> LogCheckpoint:
        async with self._database.transaction() as session:
            newest = await repository.newest_checkpoint(session)
        if newest is None or newest.size < size:
            raise log_fork()
        return newest

    async def _ensure_loaded(self, size: int) -> None:
        if self._tree.size < size:
            async with self._writing, self._database.transaction() as session:
                await self._catch_up(session)

    async def proof(self, index: int, checkpoint: Cosigned) -> str:
        """The tlog-proof file of leaf `index` under a cosigned checkpoint."""
        await self._ensure_loaded(checkpoint.size)
        hashes = self._tree.inclusion_proof(index, checkpoint.size)
        return format_proof(index, hashes, checkpoint.note)
