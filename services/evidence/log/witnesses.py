"""Asking every witness at once to cosign a checkpoint, until enough different operators have.

Rounds, not requests: whoever wants a leaf cosigned while a round over it runs joins that round and hears its
answer, so one slow witness holds up one round, never a queue of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from services.common.problems import Problem
from services.evidence.custodian import CustodianClient, WitnessIsAheadError, log_fork

# A cosignature is one write to the witness's disk; one that has none after this many seconds is away.
PATIENCE = 10.0
_TRIES = 4


@dataclass(frozen=True)
class Head:
    """A signed checkpoint of a shard: tree size and note."""

    shard: int
    size: int
    note: str


@dataclass(frozen=True)
class Cosigned:
    """A checkpoint with its witnesses' lines: tree size, note, shard."""

    size: int
    note: str
    shard: int = 0


class AheadError(Exception):
    """A witness cosigned a larger tree of this shard than the one in hand."""

    def __init__(self, size: int, custodian: CustodianClient) -> None:
        super().__init__(f"{custodian.pinned.name} is at {size}")
        self.size, self.custodian = size, custodian


class ForkSeenError(Exception):
    """A witness says that the checkpoint does not extend what it cosigned."""

    def __init__(self, custodian: CustodianClient) -> None:
        super().__init__(custodian.pinned.name)
        self.custodian = custodian


def required_operators(custodians: Sequence[CustodianClient], quorum: int | None) -> int:
    """How many different operators must cosign: the quorum, or all there are."""
    operators = len({custodian.pinned.operator for custodian in custodians})
    return operators if quorum is None else quorum


@dataclass
class _Round:
    """Answers to one checkpoint."""

    head: Head
    lines: dict[str, str] = field(default_factory=dict)
    failures: list[Problem] = field(default_factory=list)
    over: bool = False

    def note(self, custodians: Sequence[CustodianClient]) -> str:
        names = [custodian.pinned.witness.vkey for custodian in custodians]
        return self.head.note + "".join(self.lines[name] for name in names if name in self.lines)

    def operators(self, custodians: Sequence[CustodianClient]) -> int:
        return len({c.pinned.operator for c in custodians if c.pinned.witness.vkey in self.lines})


# Gives the consistency proof of a shard's tree from one size to another.
Prover = Callable[[int, int, int], Awaitable[list[bytes]]]


class Witnesses:
    """What this process knows of each witness: the size it last cosigned of each shard.

    `unknown`: keys of witnesses that said they do not know the log.
    """

    def __init__(self, prove: Prover) -> None:
        self._prove = prove
        self._sizes: dict[tuple[str, int], int] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._late: set[asyncio.Task[None]] = set()
        self.unknown: set[str] = set()

    def state(self) -> dict[str, int]:
        """The last size each witness is known to have cosigned, by key name and shard."""
        return {f"{vkey.partition('+')[0]}#{shard}": size for (vkey, shard), size in self._sizes.items()}

    async def close(self) -> None:
        """Give up on witnesses that have not answered."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def cosign(self, head: Head, custodians: Sequence[CustodianClient], quorum: int | None) -> Cosigned:
        """The checkpoint with every line there was when the quorum of different operators was reached.

        Raises AheadError, ForkSeenError, and the Problem of a witness when the quorum cannot be reached.
        """
        needed, answers = required_operators(custodians, quorum), _Round(head)
        pending = {asyncio.create_task(self._ask(answers, custodian)) for custodian in custodians}
        until = asyncio.get_running_loop().time() + PATIENCE
        try:
            while pending and answers.operators(custodians) < needed:
                left = max(0.0, until - asyncio.get_running_loop().time())
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if not done:
                    break
        finally:
            answers.over = True
            self._late |= pending
            for task in pending:
                task.add_done_callback(self._forget)
        if answers.operators(custodians) < needed or needed < 1:
            raise _worst(answers.failures)
        return Cosigned(head.size, answers.note(custodians), head.shard)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        # Its answer comes too late for this round; what it said comes up again in the next one.
        if not task.cancelled():
            task.exception()

    async def _ask(self, answers: _Round, custodian: CustodianClient) -> None:
        """One witness's line into the round; what kept it from giving one goes into `failures`."""
        vkey = custodian.pinned.witness.vkey
        async with self._turns.setdefault(vkey, asyncio.Lock()):
            if answers.over:
                return
            try:
                answers.lines[vkey] = await self._line(answers.head, custodian, vkey)
            except Problem as problem:
                if problem.code == "evidence.log_fork":
                    raise ForkSeenError(custodian) from problem
                if problem.code == "evidence.log_unknown":
                    self.unknown.add(vkey)
                answers.failures.append(problem)

    async def _line(self, head: Head, custodian: CustodianClient, vkey: str) -> str:
        for _ in range(_TRIES):
            seen = self._sizes.get((vkey, head.shard), 0)
            if seen > head.size:
                raise AheadError(seen, custodian)
            proof = await self._prove(head.shard, seen, head.size)
            try:
                line = await custodian.cosign(seen, proof, head.note)
            except WitnessIsAheadError as answer:
                if answer.size == seen == head.size:
                    # It is where we are, and still will not: it cosigned another root at this size.
                    raise ForkSeenError(custodian) from answer
                self._sizes[vkey, head.shard] = answer.size
                continue
            self._sizes[vkey, head.shard] = head.size
            return line
        raise log_fork()


def _worst(failures: Sequence[Problem]) -> Problem:
    """The failure that needs a person before the one that passes by itself."""
    asking = [problem for problem in failures if problem.status != 503]
    return next(iter(asking or failures), None) or Problem(
        "evidence.custodian_unavailable",
        503,
        zh="第三方存证机构未在时限内应答,证据已登记并排队等待",
        en="too few custodians answered in time; the evidence is logged and waits",
        todo_zh="无需操作,恢复后系统自动继续",
        todo_en="nothing to do: sealing goes on by itself once they are back",
    )
