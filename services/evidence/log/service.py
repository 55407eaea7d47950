"""The transparency log: group commit of entries, signed checkpoints, cosignatures, proofs.

PostgreSQL holds the truth (entries with their indexes, checkpoints); the tree in memory and the tiles on disk
are derived from it. One transaction under an advisory lock gives a batch its indexes and keeps the checkpoint
signed over it, so a checkpoint never leaves the process before its leaves are durable. Nothing is signed
before the witnesses (where they answer) and the published checkpoint agree with the database, and nothing
any more once one of them contradicts it: the refusal is kept until the log is reconciled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from services.common.database import Database, Transaction
from services.common.problems import Problem
from services.evidence.custodian import CustodianClient
from services.evidence.log import repository
from services.evidence.log.cosigning import Cosigner
from services.evidence.log.merkle import leaf_hash
from services.evidence.log.notes import Checkpoint, open_checkpoint, sign_checkpoint
from services.evidence.log.problems import log_refuses
from services.evidence.log.publishing import Publisher, read_published, write_list
from services.evidence.log.reading import LogReader
from services.evidence.log.repository import LeafIndex
from services.evidence.log.shards import LogCorruptError, Shard, ShardKeys, load_leaves, load_shards
from services.evidence.log.witnesses import Cosigned, Head

__all__ = ["Cosigned", "LogCorruptError", "TransparencyLog"]

log = structlog.get_logger()

BATCH = 1024
# Entries nobody waits for (custody events) join the next urgent batch, or go after this many seconds.
PATIENCE = 0.25
# Entries queued without a word (by a fact from another service) are found after this many seconds.
LONGEST_WAIT = 5.0
# How long the first signature after a start waits for the witnesses' word on what they saw last.
VETTING = 3.0
_POLL = 0.5
# Signed notes remembered, for the captures that quote them: hours of work, less than a megabyte.
_REMEMBERED = 2048
_LOAD = 50_000


async def _happens(event: asyncio.Event, within: float) -> None:
    """Wait until the event is set, at most `within` seconds."""
    try:
        async with asyncio.timeout(within):
            await event.wait()
    except TimeoutError:
        return


class _ClosedError(Exception):
    """The shard in hand is not the one that is written to any more."""


class NotAtOnceError(Exception):
    """The log takes nothing at this moment; what is queued becomes a leaf later."""


class TransparencyLog(LogReader):
    """The log, written by any process that holds the database's writer lock.

    quorum: how many different operators must cosign (None: all). `witnesses_from`: gives the custodians that
    are asked before the first signature; set by the runtime.
    """

    def __init__(self, database: Database, keys: ShardKeys, folder: Path, quorum: int | None = None) -> None:
        super().__init__(database, keys, folder)
        self.witnesses_from: Callable[[], list[CustodianClient]] = list
        self.failure: str | None = None
        self.cosigner = Cosigner(self, quorum)
        self._publisher: Publisher | None = None
        self._wake, self._urgent = asyncio.Event(), asyncio.Event()
        self._waiters: dict[str, list[asyncio.Future[LeafIndex]]] = {}
        self._vetted = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the log, compare it with what was signed and published, begin to write.

        When they contradict each other the log starts as one that refuses to sign.
        """
        await self.open()
        self._task = asyncio.create_task(self._run(), name="log-writer")

    async def open(self) -> None:
        """Load the shards and the last one's tree; refuse if they contradict what was signed."""
        self.recent.clear()
        async with self.database.transaction() as session:
            await repository.lock_writer(session)
            self.shards = await load_shards(session, self.keys)
            self.refusal = (await repository.shards(session))[-1].refusal
            newest = await repository.newest_checkpoint(session, self.shard.number)
            cosigned = await repository.newest_cosigned(session, self.shard.number)
        await asyncio.to_thread(write_list, self.root, self.shards)
        number = self.shard.number
        self.newest = None if newest is None else Head(number, newest.size, newest.note)
        kept = cosigned and cosigned.cosigned
        self.cosigner.reset(Cosigned(cosigned.size, kept, number) if cosigned and kept else None)
        self._signer = self.keys.private(number)
        published: Checkpoint | None = None
        try:
            async with self.database.transaction() as session:
                await load_leaves(session, self.shard)
            self._check_newest()
            published = self._check_published()
        except (repository.MissingLeafError, LogCorruptError) as error:
            await self.refuse("log.corrupt", "数据库与已签发的检查点不一致", str(error))
        self._publisher = Publisher(self.folder, self.shard.tree, self._read_entries)
        self._publisher.start(published)
        if self.refusal is None and self.newest is not None:
            self._publisher.show(self.newest)

    def _check_newest(self) -> None:
        if self.newest is not None:
            self._check_head(open_checkpoint(self.newest.note, self.public), "signed")

    def _check_published(self) -> Checkpoint | None:
        """Files follow the database: a published checkpoint it does not reach means that it was put back."""
        try:
            head = read_published(self.folder, self.public)
        except ValueError:
            log.warning("log.published_checkpoint_unusable")
            return None
        if head is not None:
            self._check_head(head, "published")
        return head

    def _check_head(self, head: Checkpoint, what: str) -> None:
        tree = self.shard.tree
        if head.size > tree.size:
            raise LogCorruptError(f"a checkpoint of {head.size} leaves was {what}, there are {tree.size}")
        if tree.root(head.size) != head.root:
            raise LogCorruptError(f"the entries do not give the root {what} at size {head.size}")

    async def _read_entries(self, start: int, end: int) -> list[bytes]:
        async with self.database.transaction() as session:
            return await repository.entries(session, self.shard.number, start, end)

    async def refuse(self, code: str, zh: str, en: str, **facts: Any) -> None:
        """As LogReader.refuse; who waits for a leaf is told."""
        try:
            await super().refuse(code, zh, en, **facts)
        finally:
            for future in [future for waiting in self._waiters.values() for future in waiting]:
                if not future.done():
                    future.set_exception(log_refuses(self.refusal or {}))

    async def reopen(self) -> None:
        """Take up the shard that is written to now; the caller holds `writing`."""
        await self.close(for_good=False)
        await self.open()

    async def close(self, *, for_good: bool = True) -> None:
        """Stop publishing and asking witnesses."""
        if self._publisher is not None:
            await self._publisher.stop()
        await self.cosigner.close(for_good=for_good)

    async def stop(self) -> None:
        """Stop writing; entries that wait are written at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.close()

    async def flush(self, newest: Head | None = None) -> None:
        """Publish what is signed now, up to `newest` when that is given. Raises OSError."""
        if newest is not None and self._publisher is not None:
            self._publisher.show(newest)
        if self._publisher is not None and self.refusal is None:
            await self._publisher.flush()

    def wake(self, *, urgent: bool = True) -> None:
        """Say that entries wait; urgent ones at once, others within PATIENCE."""
        self._wake.set()
        if urgent:
            self._urgent.set()

    async def wait_for(self, ref: str) -> LeafIndex:
        """Wait until the queued entry `ref` is a leaf; gives its index. Raises Problem 503 when refused."""
        self.check_refusal()
        future: asyncio.Future[LeafIndex] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(ref, []).append(future)
        self.wake()
        try:
            while True:
                done, _ = await asyncio.wait({future}, timeout=_POLL)
                if done:
                    return future.result()
                # Another process may have written it.
                async with self.database.transaction() as session:
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

    async def write_with(self, ref: str, work: Callable[[Transaction], Awaitable[None]]) -> LeafIndex | None:
        """Do `work`, which queues the entry `ref`, in the transaction that makes the entry a leaf.

        None: it is queued, and others were before it. Raises NotAtOnceError, before anything is done, and
        what `work` raises: then nothing has changed.
        """
        if self.refusal is not None or not self._vetted:
            raise NotAtOnceError
        try:
            written = await self._write(work)
        except _ClosedError as error:
            raise NotAtOnceError from error
        return dict(written).get(ref)

    async def _run(self) -> None:
        await self._vet()
        self._vetted = True
        while True:
            await _happens(self._wake, LONGEST_WAIT)
            await _happens(self._urgent, PATIENCE)
            self._wake.clear()
            self._urgent.clear()
            if self.refusal is not None:
                continue
            try:
                while len(await self._write()) == BATCH:
                    pass
                self.failure = None
            except _ClosedError:
                # Another process closed this shard, or stopped it from signing.
                async with self.writing:
                    await self.reopen()
                await asyncio.sleep(_POLL / 10)
                self.wake()
            except Exception as error:
                # The entries stay queued in the database; the next wake-up tries again.
                self.failure = type(error).__name__
                log.error("log.write_failed", exc_info=error)
                await asyncio.sleep(_POLL)
                self.wake()

    async def _vet(self) -> None:
        """Before the first signature: what did the witnesses see last? Those away are asked later."""
        if self.refusal is not None:
            return
        head = self.newest
        if head is None:
            empty = Checkpoint(self.origin, 0, self.shard.tree.root())
            head = Head(self.shard.number, 0, sign_checkpoint(empty, self._signer))
        try:
            async with asyncio.timeout(VETTING):
                await self.cosigner.ask(head, self.witnesses_from(), None)
        except (Problem, TimeoutError, LookupError) as error:
            log.info("log.witnesses_not_all_heard", error=str(error))
        except Exception as error:
            log.error("log.vetting_failed", exc_info=error)

    async def _write(
        self, work: Callable[[Transaction], Awaitable[None]] | None = None
    ) -> list[tuple[str, LeafIndex]]:
        """Turn waiting entries into leaves under one signed checkpoint; gives their refs and indexes.

        work: done first, in the same transaction. Raises Problem 503 `evidence.log_refuses`.
        """
        async with self.writing:
            self.check_refusal()
            shard, written, newest = self.shard, list[tuple[str, LeafIndex]](), self.newest
            before = shard.tree.size
            try:
                async with self.database.direct(repository.WRITER_LOCK) as session:
                    if work is not None:
                        await work(session)
                    found = await repository.unread(session, shard.number, before, _LOAD, BATCH)
                    for entry in found.leaves:
                        shard.tree.append(leaf_hash(entry))
                    before = shard.tree.size
                    batch = found.waiting if len(found.leaves) < _LOAD else []
                    if batch and found.writable != shard.number:
                        raise _ClosedError
                    if batch:
                        rows = [(row.id, shard.tree.append(leaf_hash(row.entry))) for row in batch]
                        written = [
                            (row.ref, LeafIndex(at, shard.number))
                            for row, (_, at) in zip(batch, rows, strict=True)
                        ]
                        newest = self._sign(shard)
                        await repository.assign(session, shard.number, rows, newest.size, newest.note)
            except BaseException:
                shard.tree.truncate(before)
                raise
            self._accept(newest, written)
            return written

    def _sign(self, shard: Shard) -> Head:
        head = Checkpoint(shard.origin, shard.tree.size, shard.tree.root())
        return Head(shard.number, head.size, sign_checkpoint(head, self._signer))

    def _accept(self, newest: Head | None, written: list[tuple[str, LeafIndex]]) -> None:
        """A batch is durable: tell those who wait, and have it published beside them."""
        self.newest = newest
        if newest is not None:
            self.recent[newest.shard, newest.size] = newest.note
            if len(self.recent) > _REMEMBERED:
                self.recent.popitem(last=False)
        for ref, index in written:
            for future in self._waiters.get(ref, []):
                if not future.done():
                    future.set_result(index)
        if newest is not None and self._publisher is not None:
            self._publisher.show(newest)

    async def cosigned_over(self, index: int, custodians: Sequence[CustodianClient]) -> Cosigned:
        """A checkpoint over leaf `index` with every witness line there was when the quorum was reached.

        Raises Problem 503 `evidence.custodian_unavailable`, 502 `evidence.log_fork` (see Cosigner.over).
        """
        return await self.cosigner.over(index, custodians)
