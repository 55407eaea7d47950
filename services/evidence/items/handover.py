"""A package on its way to its custodians: begun as soon as its artefacts are known, ended by its proofs.

The bulk of a package travels, and is digested on the other side, while its time stamp and log entry are made;
it is whole there, and verified, while this side still writes down what it sent; only then is it ended.
"""

import asyncio
import json
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.common.problems import Problem
from services.evidence.custodian import CustodianClient, Receipt
from services.evidence.items.models import EvidenceItem
from services.evidence.objects.faults import store_damaged
from services.evidence.objects.store import ObjectStore
from services.evidence.package.layout import Part, total_bytes
from services.evidence.package.transfer import (
    AbandonedError,
    GrowingPackage,
    ReadBack,
    SmallPackage,
    StoredBytesChangedError,
    blocks,
    read_whole,
)

# Packages whose artefacts have fewer bytes are sent without threads.
_SMALL = 1 << 20
# Once enough copies are kept, the other custodians have this many seconds; later copies are made later.
_FOR_THE_REST = 2.0


@dataclass(frozen=True)
class Copy:
    """A copy a custodian keeps: who, his receipt (a DSSE envelope) and what it says."""

    custodian: str
    operator: str
    receipt: str
    stated: Mapping[str, Any]


@dataclass(frozen=True)
class Handed:
    """What came of it: the package as read back, and the copies."""

    sha256: str
    bytes: int
    copies: list[Copy]


class Handover:
    """One package to some custodians. begun: its first parts, or all of them."""

    def __init__(
        self, store: ObjectStore, custodians: Sequence[CustodianClient], evidence_id: str, begun: list[Part]
    ) -> None:
        self._store, self._id = store, evidence_id
        self._previews: list[asyncio.Task[None]] = []
        self._package: GrowingPackage | SmallPackage
        self._reading: ReadBack | SmallPackage
        if total_bytes(begun) < _SMALL:
            self._package = self._reading = small = SmallPackage(begun, store.open)
            sending = [custodian.store_small(evidence_id, aiter(small)) for custodian in custodians]
        else:
            self._package = large = GrowingPackage(begun)
            self._reading = ReadBack(large, store.open)
            # The first custodian's bytes are those that are hashed here; the others' receipts must agree.
            given = [self._reading.blocks(), *(blocks(large, store.open) for _ in custodians[1:])]
            pairs = zip(custodians, given, strict=True)
            sending = [custodian.store(evidence_id, its) for custodian, its in pairs]
        # Whoever waits for the rest of it must not wait on when nobody is left who could give it.
        weakref.finalize(self, self._package.abandon)
        self._sending = {
            asyncio.create_task(one, name=f"handover-{evidence_id}"): custodian
            for one, custodian in zip(sending, custodians, strict=True)
        }

    def abandon(self) -> None:
        """Give up unless it has ended; the custodians keep nothing of it."""
        self._package.abandon()
        for task in self._sending:
            task.add_done_callback(_heard)

    def preview(self, proofs: bytes) -> None:
        """Show the custodians the first proofs (a ZIP of them) while the others are made."""
        self._previews = [
            asyncio.create_task(custodian.preview(self._id, proofs), name=f"preview-{self._id}")
            for custodian in self._sending.values()
        ]

    def complete(self, parts: list[Part]) -> None:
        """Send the rest. Nobody keeps it yet: without its end, an upload is one that was cut short."""
        self._package.complete(parts)

    async def finish(self, item: EvidenceItem, parts: list[Part], quorum: int) -> Handed:
        """Send the rest and end; wait until custodians of `quorum` operators keep the package.

        Raises Problem 503 and 502 as the custodian's client, 502 `evidence.receipt_mismatch`,
        500 `evidence.store_damaged`.
        """
        self._package.complete(parts)
        self._package.end()
        copies, problems = await self._copies(quorum)
        size = total_bytes(parts)
        agreed = {str(copy.stated.get("package_sha256")) for copy in copies}
        if _operators(copies) < quorum:
            raise await self._reason(parts, problems[0])
        sha256 = self._reading.sha256() if self._reading.bytes == size else min(agreed)
        for copy in copies:
            _check_receipt(copy.stated, item, sha256, size)
        return Handed(sha256, size, copies)

    async def _reason(self, parts: list[Part], problem: Problem) -> Problem:
        """Why a custodian would not keep it: when an object of ours is damaged, that."""
        if problem.status != 503:
            try:
                await asyncio.to_thread(read_whole, parts, self._store.open)
            except (StoredBytesChangedError, FileNotFoundError):
                return store_damaged()
        return problem

    async def _copies(self, quorum: int) -> tuple[list[Copy], list[Problem]]:
        copies: list[Copy] = []
        problems: list[Problem] = []
        waiting = set(self._sending)
        while waiting:
            enough = _operators(copies) >= quorum
            done, waiting = await asyncio.wait(
                waiting,
                timeout=_FOR_THE_REST if enough else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done:
                break
            for task in done:
                try:
                    copies.append(_copy(self._sending[task], task.result()))
                except Problem as problem:
                    problems.append(problem)
                except FileNotFoundError as error:
                    raise store_damaged() from error
        for task in waiting:
            task.add_done_callback(_heard)
        return copies, problems


def _heard(task: asyncio.Task[Any]) -> None:
    """What came of a copy nobody waits for: an idempotent repetition finds out."""
    if not task.cancelled() and isinstance(task.exception(), (Problem, AbandonedError, type(None))):
        return
    if not task.cancelled():
        task.get_loop().call_exception_handler(
            {"message": "handing over a package failed", "exception": task.exception(), "task": task}
        )


def _operators(copies: Sequence[Copy]) -> int:
    return len({copy.operator for copy in copies})


def _copy(custodian: CustodianClient, receipt: Receipt) -> Copy:
    pinned = custodian.pinned
    return Copy(pinned.name, pinned.operator, json.dumps(receipt.envelope), receipt.stated)


def _check_receipt(stated: Mapping[str, Any], item: EvidenceItem, sha256: str, size: int) -> None:
    """Raise Problem 502 unless the receipt is for this item, this number and these very bytes."""
    expected = {
        "evidence_id": item.id,
        "evidence_no": item.evidence_no,
        "package_sha256": sha256,
        "package_bytes": size,
        "verdict": "VALID",
    }
    wrong = [name for name, value in expected.items() if stated.get(name) != value]
    if wrong:
        raise Problem(
            "evidence.receipt_mismatch",
            502,
            zh="第三方存证回执与证据包不一致",
            en=f"the custodian's receipt is not for this package: {', '.join(wrong)}",
            todo_zh="请通知系统管理员",
            todo_en="tell the system administrator",
        )
