"""Having a leaf's checkpoint cosigned: rounds that callers share; a contradiction stops the log."""

import asyncio
from collections.abc import Sequence

import structlog

from services.common.problems import Problem
from services.evidence.custodian import CustodianClient, log_fork
from services.evidence.log import repository
from services.evidence.log.notes import open_checkpoint, split_note
from services.evidence.log.reading import LogReader
from services.evidence.log.repository import LeafIndex
from services.evidence.log.witnesses import (
    AheadError,
    Cosigned,
    ForkSeenError,
    Head,
    Witnesses,
    required_operators,
)

log = structlog.get_logger()
_TRIES = 4
# Seconds after which a checkpoint is kept as cosigned: those who wait for it come first.
_UNHURRIED = 0.1


def enough(note: str, custodians: Sequence[CustodianClient], quorum: int | None) -> bool:
    """Whether a stored note carries the lines of as many different operators as are required now."""
    lines = {(name, blob[:4]) for name, blob in split_note(note)[1]}
    found = {
        custodian.pinned.operator
        for custodian in custodians
        if (custodian.pinned.witness.name, custodian.pinned.witness.key_id) in lines
    }
    return len(found) >= max(1, required_operators(custodians, quorum))


class Cosigner:
    """Cosigned checkpoints of one log. quorum: how many different operators must cosign (None: all)."""

    def __init__(self, owner: LogReader, quorum: int | None) -> None:
        self._log, self._quorum = owner, quorum
        self.witnesses = Witnesses(owner.prove)
        self._latest: Cosigned | None = None
        self._round: tuple[Head, asyncio.Task[Cosigned]] | None = None
        self._keeping: set[asyncio.Task[None]] = set()
        self._closed = False

    def reset(self, latest: Cosigned | None) -> None:
        """Begin with the newest cosigned checkpoint that is kept, if any."""
        self._latest, self._round, self._closed = latest, None, False

    async def close(self, *, for_good: bool) -> None:
        """Give up on rounds that run; finish keeping what they gave. for_good: nobody is to ask again."""
        self._closed = for_good
        if self._round is not None:
            self._round[1].cancel()
            await asyncio.gather(self._round[1], return_exceptions=True)
        await self.witnesses.close()
        await self.settled()

    async def settled(self) -> None:
        """Wait until what the rounds gave so far is kept."""
        await asyncio.gather(*self._keeping, return_exceptions=True)

    async def over(self, index: int, custodians: Sequence[CustodianClient]) -> Cosigned:
        """A checkpoint over leaf `index` with the quorum's lines; asks all witnesses when there is none.

        index: a LeafIndex knows its shard, a plain number counts in the one that is written to.
        Raises Problem 503 when too few custodians answer, 502 `evidence.log_fork` when one saw another
        history (then the log refuses, 503 `evidence.log_refuses`), LookupError without such a leaf.
        """
        shard = index.shard if isinstance(index, LeafIndex) else self._log.shard.number
        while True:
            if shard != self._log.shard.number:
                return await self._over_closed(shard, index, custodians)
            latest = self._latest
            covers = latest is not None and latest.size > index
            if latest is not None and covers and enough(latest.note, custodians, self._quorum):
                return latest
            self._log.check_refusal()
            head, task = await self._joined(index, custodians)
            try:
                cosigned = await asyncio.shield(task)
                if cosigned.size > index:
                    return cosigned
                # A round that began before the leaf was written: the next one is over it.
            except Problem:
                if head.size > index:
                    raise
            except asyncio.CancelledError:
                # The round was given up because the log was opened anew, unless it is us who are to stop.
                caller = asyncio.current_task()
                if not task.cancelled() or self._closed or (caller is not None and caller.cancelling()):
                    raise

    async def _joined(
        self, index: int, custodians: Sequence[CustodianClient]
    ) -> tuple[Head, asyncio.Task[Cosigned]]:
        """The round that runs, or a new one over the newest checkpoint."""
        newest = await self._log.head_over(index)
        running = self._round
        if running is None or running[1].done():
            running = (newest, asyncio.create_task(self.ask(newest, custodians, self._quorum)))
            self._round = running
        return running

    async def _over_closed(self, shard: int, index: int, custodians: Sequence[CustodianClient]) -> Cosigned:
        """The same in a shard that is closed: what is kept, else its last checkpoint is shown once more."""
        async with self._log.database.transaction() as session:
            found = await repository.first_checkpoint_over(session, shard, index, cosigned=True)
            final = await repository.newest_checkpoint(session, shard)
        if found is not None and found.cosigned and enough(found.cosigned, custodians, self._quorum):
            return Cosigned(found.size, found.cosigned, shard)
        if final is None or final.size <= index:
            raise LookupError(f"leaf {index} of closed shard {shard} has no checkpoint")
        head = Head(shard, final.size, final.note)
        cosigned = await self.witnesses.cosign(head, custodians, self._quorum)
        await self._keep(cosigned)
        return cosigned

    async def introduce(self, custodian: CustodianClient) -> None:
        """Show a custodian the freeze leaf that names the log written to now.

        Raises its Problems; LookupError when the log before this one was not frozen.
        """
        if len(self._log.shards) < 2 or self._log.shards[-2].state != "frozen":
            raise LookupError("no frozen shard before this one")
        old = self._log.shards[-2].number
        async with self._log.database.transaction() as session:
            final = await repository.newest_checkpoint(session, old)
            if final is None:
                raise LookupError("the frozen shard has no checkpoint")
            entry = (await repository.entries(session, old, final.size - 1, final.size))[0]
        cosigned = await self.witnesses.cosign(Head(old, final.size, final.note), [custodian], 1)
        await self._keep(cosigned)
        await custodian.succeed(entry, await self._log.proof(final.size - 1, cosigned))

    async def _introduce_where_unknown(self, custodians: Sequence[CustodianClient]) -> None:
        """Custodians that were away when the old shard was frozen learn of this one now."""
        for custodian in custodians:
            if custodian.pinned.witness.vkey in self.witnesses.unknown:
                try:
                    await self.introduce(custodian)
                    self.witnesses.unknown.discard(custodian.pinned.witness.vkey)
                except (Problem, LookupError) as error:
                    log.warning("log.custodian_not_told", custodian=custodian.pinned.name, error=str(error))

    async def ask(self, head: Head, custodians: Sequence[CustodianClient], quorum: int | None) -> Cosigned:
        """One round. Raises as `over`; a witness that contradicts the log makes it refuse from now on."""
        unknown: Problem | None = None
        for _ in range(_TRIES):
            await self._log.ensure_loaded(head.size)
            await self._introduce_where_unknown(custodians)
            try:
                cosigned = await self.witnesses.cosign(head, custodians, quorum)
            except AheadError as ahead:
                # Another process wrote a later one, or our database was put back.
                newest = await self._log.newest_kept()
                if newest is None or newest.size < ahead.size:
                    await self._forked(head, ahead.custodian, ahead.size)
                    raise log_fork() from ahead
                head = newest
                continue
            except ForkSeenError as fork:
                await self._forked(head, fork.custodian, None)
                raise log_fork() from fork
            except Problem as problem:
                if problem.code != "evidence.log_unknown" or head.shard == 0:
                    raise
                unknown = problem
                continue
            self._take(cosigned)
            return cosigned
        raise unknown or log_fork()

    def _take(self, cosigned: Cosigned) -> None:
        if cosigned.size == 0:
            return
        if self._latest is None or cosigned.size >= self._latest.size:
            self._latest = cosigned
        # Not waited for: an item keeps the cosignatures in its own proof, this copy is for monitors.
        task = asyncio.create_task(self._keep_soon(cosigned))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _keep_soon(self, cosigned: Cosigned) -> None:
        await asyncio.sleep(_UNHURRIED)
        await self._keep(cosigned)

    async def _keep(self, cosigned: Cosigned) -> None:
        async with self._log.database.direct() as session:
            await repository.keep_cosigned(session, cosigned.shard, cosigned.size, cosigned.note)

    async def _forked(self, head: Head, custodian: CustodianClient, size: int | None) -> None:
        """Stop the log; keep what the witness shows, which our own key signed."""
        seen: str | None = None
        try:
            seen = await custodian.last_seen(self._log.origin)
            size = open_checkpoint(seen, self._log.public).size if seen else size
        except (Problem, ValueError):
            seen = None
        name = custodian.pinned.name
        await self._log.refuse(
            "log.fork",
            f"与第三方 {name} 见证的历史不一致(见证规模 {size},本库 {head.size})",
            f"{name} witnessed another history (it saw {size} leaves, the database has {head.size})",
            custodian=name,
            witnessed_size=size,
            witnessed_note=seen,
            own_size=head.size,
        )
