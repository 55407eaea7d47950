"""Sealing as a machine of stages kept in PostgreSQL: signed → stamped → logged → sealed.

Each stage does its outside work first and then moves the row on in one transaction that checks, with the row
locked, that it is still where the work began. So a crash anywhere loses at most work that is repeated; two
runs at once, in one process or in two, give one result; and nothing is called sealed before its proofs are
stored, enough custodians' receipts are checked and the package has been read back from the store.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import psycopg
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.clock import utc_now
from services.common.database import Transaction
from services.common.dsse import Envelope, add_signature
from services.common.problems import Problem, not_found
from services.evidence.custody import service as custody
from services.evidence.custody.rules import Actor, Happened
from services.evidence.intakes import repository as intakes
from services.evidence.items import composing, progress, repository, rules
from services.evidence.items.handover import Handover
from services.evidence.items.models import EvidenceItem, Receipt, Stamp
from services.evidence.items.run import Change, MovedOnError, Run, Written, now
from services.evidence.log.notes import NoteError
from services.evidence.log.repository import LeafIndex
from services.evidence.log.service import Cosigned, NotAtOnceError
from services.evidence.objects.faults import store_damaged
from services.evidence.orders.rules import LoggedOrder
from services.evidence.package.layout import Member, Part, begin, dump_layout, load_layout, total_bytes
from services.evidence.package.transfer import StoredBytesChangedError, read_whole
from services.evidence.runtime import Runtime
from services.evidence.timestamps.client import Stamp as FreshStamp
from services.evidence.timestamps.rules import stamped_message

logger = structlog.get_logger()

Line = dict[str, Any]
# Turns of the event loop until a question to an authority is out: its task, the authority's, the request.
_STEPS_TO_ASK = 3
# Seconds before what nobody waits for: the line `sealed` goes out first.
_UNHURRIED = 0.01
_WORKER = Actor("service:crawler", "采集节点")


class Sealer:
    """Seals items of one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def seal(self, evidence_id: str, envelope: Mapping[str, Any] | None) -> AsyncIterator[Line]:
        """Bring an item to `sealed` from wherever it is; gives a line for each stage, done now or before.

        envelope: the worker's; None to continue what has begun. Raises Problem; the stage reached stays.
        """
        run = await (self._resumed(evidence_id) if envelope is None else self.sign(evidence_id, envelope))
        try:
            yield progress.signed(run.item)
            await self._stage(run, "signed", self.stamp)
            yield progress.stamped(run.item)
            await self._stage(run, "stamped", self.log)
            yield progress.logged(run.item, self.runtime.log.origin)
            await self._stage(run, "logged", self.replicate)
        finally:
            run.abandon()
        yield progress.replicated(run.item)
        yield progress.sealed(run.item)
        if run.item.package_sm3 is None:
            await self.digest(run)
        yield progress.digested(run.item)

    async def _stage(self, run: Run, at: str, work: Callable[[Run], Awaitable[None]]) -> None:
        """Do a stage's work if the item is there; what was reached before a failure is written down."""
        while run.item.stage == at:
            try:
                await self._work(run, work)
            except MovedOnError:
                await self._again(run)

    async def _work(self, run: Run, work: Callable[[Run], Awaitable[None]]) -> None:
        try:
            await work(run)
        except MovedOnError:
            raise
        except Exception:
            await self._write_down(run)
            raise

    async def _resumed(self, evidence_id: str) -> Run:
        async with self.runtime.database.transaction() as session:
            item = await _loaded(session, evidence_id)
        return Run(item, item.stage)

    async def _again(self, run: Run) -> None:
        """Take the item as another run left it."""
        run.abandon()
        run.item = (await self._resumed(run.item.id)).item
        run.written, run.unwritten, run.last, run.parts = run.item.stage, Change(), None, []
        run.leaf = None

    async def _write_down(self, run: Run, fresh: Change = Change()) -> None:
        """Write down what is unwritten and a fresh change. Raises MovedOnError: then nothing has changed."""
        change = run.unwritten.then(fresh)
        if change.events:
            run.settle(await run.write_alone(self.runtime.database, change))

    async def sign(self, evidence_id: str, envelope: Mapping[str, Any]) -> Run:
        """Check the manifest against the intake and add the sealing service's signatures, unless it has them.

        From then on its artefacts travel to the custodians. Raises Problem 404 without order,
        422 `evidence.manifest_refused`, 409 `evidence.already_signed`.
        """
        await self.runtime.keys.meet(rules.signers_of(envelope))
        async with self.runtime.database.at_once() as session:
            drafted = await self._draft(session, evidence_id, envelope)
        if drafted:
            # Asked before anything else is done: the authorities' answer is waited for longest.
            asked = asyncio.create_task(self._ask_stamps(drafted.envelope), name=f"stamp-{evidence_id}")
            try:
                for _ in range(_STEPS_TO_ASK):
                    await asyncio.sleep(0)
                return self._begin(drafted, asked)
            except BaseException:
                asked.cancel()
                raise
        run = await self._resumed(evidence_id)
        if json.loads(run.item.envelope)["payload"] != envelope.get("payload"):
            raise _other_manifest()
        return run

    def _begin(self, draft: composing.Draft, asked: asyncio.Task[list[FreshStamp]]) -> Run:
        """A new item whose stamps are asked for; its artefacts travel at once."""
        item, members = composing.new_item(draft), composing.members(draft.artefacts)
        run = Run(item, None, members=members, stamping=asked)
        values = {name: getattr(item, name) for name in composing.NEW}
        events = now(
            Happened("captured", _WORKER, draft.order.purpose), Happened("hashed"), Happened("signed")
        )
        run.unwritten = Change(values, events)
        run.took({"custody_seq": 0, "stamps": [], "receipts": [], "package_sm3": None})
        run.handover = self._hand_over(item.id, begin(members))
        run.handover.preview(composing.preview(draft.predicate, item.envelope))
        return run

    async def _draft(
        self, session: Transaction, evidence_id: str, envelope: Mapping[str, Any]
    ) -> composing.Draft | None:
        """The item as it is to be kept, signed. None when sealing has begun."""
        asked = asyncio.create_task(repository.ordered(session, evidence_id))
        await asyncio.sleep(0)  # answered while the submission is opened
        opened = self._opened(envelope)
        found = await asked
        if found is None:
            raise not_found("采集任务", "order")
        order, artefacts = found
        if order.begun:
            return None
        if isinstance(opened, Problem):
            raise opened
        signed, statement = opened
        worker_keyids = [signature["keyid"] for signature in signed["signatures"]]
        rules.check_against_intake(statement, order, artefacts, worker_keyids, self.runtime.policy)
        await self._check_beacon(session, order, statement["predicate"]["times"]["beacon_checkpoint"])
        for signer in self.runtime.sealing_signers:
            signed = add_signature(signed, signer)
        return composing.Draft(order, artefacts, signed, statement["predicate"])

    def _opened(self, envelope: Mapping[str, Any]) -> tuple[Envelope, dict[str, Any]] | Problem:
        try:
            return rules.open_submission(envelope, self.runtime.worker_keys(), self.runtime.settings.suites)
        except Problem as problem:
            return problem

    async def _ask_stamps(self, envelope: Envelope) -> list[FreshStamp]:
        return await self.runtime.stamps().stamp(stamped_message(envelope))

    async def _check_beacon(self, session: Transaction, order: LoggedOrder, beacon: Any) -> None:
        """The beacon must be a checkpoint this log signed, over the order: captured after it was ordered."""
        try:
            head = await self.runtime.log.find_checkpoint(session, str(beacon))
        except (NoteError, LookupError) as error:
            raise rules.refused("信标不是本日志的检查点", f"beacon: {error}") from error
        if order.log_index is None or (head.shard == order.log_shard and head <= order.log_index):
            raise rules.refused("信标早于任务登记", "the beacon is older than the order")

    def _hand_over(self, evidence_id: str, begun: list[Part]) -> Handover:
        return Handover(self.runtime.store, self.runtime.custodians(), evidence_id, begun)

    async def stamp(self, run: Run) -> None:
        """Have the signatures time-stamped; give out the number and queue the log entry.

        Raises Problem 503 `evidence.tsa_unavailable`, 502 `evidence.tsa_refused`, MovedOnError.
        """
        asked = run.stamping or asyncio.create_task(self._ask_stamps(json.loads(run.item.envelope)))
        run.stamping = asked
        # A new item is written down while the authorities answer.
        await self._write_down(run)
        await self._stamped(run, await asked)

    async def stamp_batch(self, evidence_ids: Sequence[str]) -> int:
        """The same for many items with one request to each authority; gives how many were stamped."""
        loaded = [await self._resumed(evidence_id) for evidence_id in evidence_ids]
        runs = [run for run in loaded if run.item.stage == "signed"]
        stamped = await self.runtime.stamps().stamp_many(
            [stamped_message(json.loads(run.item.envelope)) for run in runs]
        )
        for run, stamps in zip(runs, stamped, strict=True):
            try:
                await self._stamped(run, stamps)
            except MovedOnError:
                continue
        return len(runs)

    async def _stamped(self, run: Run, stamps: Sequence[FreshStamp]) -> None:
        item, year = run.item, rules.number_year(utc_now())
        rows = composing.stamp_rows(item.id, stamps)
        events = now(Happened("stamped"))
        written: list[Written] = []

        async def work(session: Transaction) -> None:
            sequence = await repository.next_number(session, item.region_code, year)
            number = rules.format_number(item.region_code, year, sequence)
            entry = rules.seal_entry(item.id, number, item.envelope, [s.response for s in stamps])
            values = {"stage": "stamped", "evidence_no": number, "entry": entry}
            fresh = Change(values, events, stamps=rows, entries={rules.log_ref(item.id): entry})
            written.append(await run.write(session, fresh))

        run.leaf = await self._logging(item.id, work)
        run.settle(written[-1])
        run.took({"stamps": [Stamp(**row) for row in rows]})

    async def _logging(
        self, evidence_id: str, work: Callable[[Transaction], Awaitable[None]]
    ) -> LeafIndex | None:
        """Do the work that queues an item's entry, and make it a leaf in the same transaction if that can be.

        Gives the leaf; None when it is one later.
        """
        try:
            return await self.runtime.log.write_with(rules.log_ref(evidence_id), work)
        except (NotAtOnceError, OSError, psycopg.Error) as error:
            # What ails the log is not to keep the item from its stamps and number.
            logger.info("seal.leaf_later", evidence_id=evidence_id, reason=type(error).__name__)
        async with self.runtime.database.direct() as session:
            await work(session)
        return None

    async def log(self, run: Run) -> None:
        """Wait for the leaf and a cosigned checkpoint over it; lay out the package.

        Raises Problem 503 `evidence.custodian_unavailable`, 502 `evidence.log_fork`, 507 store full.
        """
        item, log = run.item, self.runtime.log
        index = run.leaf if run.leaf is not None else await log.wait_for(rules.log_ref(item.id))
        checkpoint = await log.cosigned_over(index, self.runtime.custodians())
        proof = await log.proof(index, checkpoint)
        members = run.members or await self._members(item.id)
        run.parts = await self._lay_out(item, members, proof, checkpoint)
        if run.handover is not None:
            run.handover.complete(run.parts)
            await asyncio.sleep(0)  # sent before anything else is done
        layout = dump_layout(run.parts)
        values = {
            "stage": "logged",
            "log_shard": index.shard,
            "log_index": int(index),
            "log_size": checkpoint.size,
            "proof": proof,
            **_about(layout, run.parts),
        }
        # Both before a custodian may keep it: a later run must send the very same package.
        keeping = asyncio.create_task(asyncio.to_thread(self.runtime.store.put, layout))
        try:
            await self._write_down(run, Change(values, now(Happened("logged"))))
        finally:
            await keeping

    async def _members(self, evidence_id: str) -> list[Member]:
        async with self.runtime.database.at_once() as session:
            return composing.members(await intakes.of_item(session, evidence_id))

    async def _parts(self, run: Run) -> list[Part]:
        if not run.parts:
            try:
                layout = await asyncio.to_thread(self.runtime.store.read, str(run.item.layout_sha256))
            except FileNotFoundError as error:
                if run.item.stage != "logged":
                    raise store_damaged() from error
                layout = await self._laid_out_again(run)
            run.parts = load_layout(layout)
        return run.parts

    async def _laid_out_again(self, run: Run) -> bytes:
        """The layout of a logged item whose run was cut short before it was stored: nobody keeps it yet."""
        item = run.item
        checkpoint = Cosigned(int(item.log_size or 0), "", int(item.log_shard or 0))
        parts = await self._lay_out(item, await self._members(item.id), str(item.proof), checkpoint)
        layout = dump_layout(parts)
        await asyncio.to_thread(self.runtime.store.put, layout)
        run.took(_about(layout, parts))
        return layout

    async def _lay_out(
        self, item: EvidenceItem, members: list[Member], proof: str, checkpoint: Cosigned
    ) -> list[Part]:
        beacon, entry = composing.beacon_of(item.envelope), item.entry or b""
        consistency = await self.runtime.log.consistency(beacon.size, checkpoint, origin=beacon.origin)
        return composing.lay_out(item, members, entry=entry, proof=proof, consistency=consistency)

    async def replicate(self, run: Run) -> None:
        """Have enough custodians keep the package while it is read back; call it sealed.

        Raises Problem 503, 502 as the custodians' clients, 500 `evidence.store_damaged`.
        """
        item, parts = run.item, await self._parts(run)
        handover = run.handover or self._hand_over(item.id, parts)
        run.handover = handover
        handed = await handover.finish(item, parts, self.runtime.custodian_quorum)
        values = {
            "stage": "sealed",
            "package_sha256": handed.sha256,
            "package_bytes": handed.bytes,
            "layout_sha256": item.layout_sha256,
            "sealed_at": utc_now(),
        }
        receipts = composing.receipt_rows(item.id, handed.copies)
        kept = [Happened("replicated", about={"custodian": copy.custodian}) for copy in handed.copies]
        await self._write_down(run, Change(values, now(*kept, Happened("sealed")), receipts=receipts))
        self.runtime.log.wake(urgent=False)
        run.took({"receipts": [Receipt(**row) for row in receipts]})

    async def replicate_further(self, evidence_id: str) -> int:
        """Have those custodians keep a sealed package that did not when it was sealed; gives how many do now.

        Raises Problem like `replicate`.
        """
        run = await self._resumed(evidence_id)
        have = {receipt.custodian for receipt in run.item.receipts}
        lacking = [one for one in self.runtime.custodians() if one.pinned.name not in have]
        parts = await self._parts(run)
        handover = Handover(self.runtime.store, lacking, evidence_id, parts)
        handed = await handover.finish(run.item, parts, 1)
        kept = [Happened("replicated", about={"custodian": copy.custodian}) for copy in handed.copies]
        async with self.runtime.database.transaction() as session:
            if await repository.add_receipts(session, composing.receipt_rows(evidence_id, handed.copies)):
                await custody.record(session, evidence_id, *kept)
        return len(handed.copies)

    async def digest(self, run: Run) -> None:
        """Keep the SM3 of a sealed package for people to compare: no proof rests on it, so it comes last.

        The same pass takes every object's SHA-256 again. Raises Problem 500 `evidence.store_damaged`.
        """
        parts = await self._parts(run)
        await asyncio.sleep(_UNHURRIED)
        try:
            sha256, sm3 = await asyncio.to_thread(read_whole, parts, self.runtime.store.open)
        except (StoredBytesChangedError, FileNotFoundError) as error:
            raise store_damaged() from error
        if sha256 != run.item.package_sha256:
            raise store_damaged()
        async with self.runtime.database.at_once() as session:
            await repository.keep_sm3(session, run.item.id, sm3)
        run.took({"package_sm3": sm3})


def _about(layout: bytes, parts: list[Part]) -> dict[str, Any]:
    """An item's columns about its package's layout."""
    return {"layout_sha256": hashlib.sha256(layout).hexdigest(), "package_bytes": total_bytes(parts)}


async def _loaded(session: AsyncSession, evidence_id: str) -> EvidenceItem:
    item = await repository.load(session, evidence_id)
    if item is None:
        raise not_found("证据", "evidence item")
    return item


def _other_manifest() -> Problem:
    return Problem(
        "evidence.already_signed",
        409,
        zh="该证据已按另一份清单签名,不能更换",
        en="this item was signed with another manifest, which is not replaced",
    )
