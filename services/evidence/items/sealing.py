"""Sealing as a machine of stages kept in PostgreSQL: signed → stamped → logged → sealed.

Each stage does its outside work first and then moves the row on in one transaction that checks, with the row
locked, that it is still where the work began. So a crash anywhere loses at most work that is repeated; two
runs at once, in one process or in two, give one result; and nothing is called sealed before its proofs are
stored, the custodian's receipt is checked and the package has been read back from the store.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import rfc8785
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from services.common.clock import utc_now
from services.common.dsse import Envelope, add_signature
from services.common.problems import Problem, not_found
from services.evidence.custody import service as custody
from services.evidence.custody.rules import Actor
from services.evidence.custody.service import Happened
from services.evidence.intakes import repository as intakes
from services.evidence.intakes.models import Artefact
from services.evidence.items import progress, repository, rules
from services.evidence.items.models import EvidenceItem, Stamp
from services.evidence.log import repository as log_repository
from services.evidence.log.notes import NoteError, open_checkpoint
from services.evidence.objects.store import store_damaged
from services.evidence.orders import repository as orders
from services.evidence.orders.rules import log_ref as order_ref
from services.evidence.package.layout import Member, Part, dump_layout, load_layout, total_bytes
from services.evidence.package.transfer import ReadBack, StoredBytesChangedError
from services.evidence.package.wacz import ENTRY, ENVELOPE, PROOF, build, stamp_path
from services.evidence.runtime import Runtime
from services.evidence.timestamps.client import Stamp as FreshStamp
from services.evidence.timestamps.rules import stamped_message
from services.evidence.verification.verifier import moment

Line = dict[str, Any]
_WORKER = Actor("service:crawler", "采集节点", "")


class _MovedOnError(Exception):
    """Another run has moved the item on meanwhile."""


def envelope_bytes(envelope: Envelope) -> bytes:
    """The envelope as it stands in the package: RFC 8785 JSON."""
    plain: dict[str, Any] = {**envelope}
    return rfc8785.dumps(plain)


class Sealer:
    """Seals items of one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def seal(self, evidence_id: str, envelope: Mapping[str, Any] | None) -> AsyncIterator[Line]:
        """Bring an item to `sealed` from wherever it is; gives a line for each stage, done now or before.

        envelope: the worker's; None to continue what has begun. Raises Problem; the stage reached stays.
        """
        item = await (self._reload(evidence_id) if envelope is None else self.sign(evidence_id, envelope))
        if envelope is not None and json.loads(item.envelope)["payload"] != envelope.get("payload"):
            raise _other_manifest()
        yield progress.signed(item)
        if item.stage == "signed":
            item = await self.stamp(item)
        yield progress.stamped(item)
        if item.stage == "stamped":
            item = await self.log(item)
        yield progress.logged(item, self.runtime.log.origin)
        if item.stage == "logged":
            item = await self.replicate(item)
        yield progress.replicated(self.runtime.custodian().receipt_payload(json.loads(item.receipt or "")))
        yield progress.sealed(item)

    async def _reload(self, evidence_id: str) -> EvidenceItem:
        async with self.runtime.database.transaction() as session:
            return await _loaded(session, evidence_id)

    async def _advance(
        self, session: AsyncSession, item: EvidenceItem, values: dict[str, Any], *events: Happened
    ) -> None:
        """Move the item on from the stage it was read at, with its custody events, in this transaction.

        Raises _MovedOnError when another run was faster: everything of this transaction is given up.
        """
        first = await repository.advance(session, item.id, item.stage, values, len(events))
        if first is None:
            raise _MovedOnError
        await custody.add(session, item.id, first, events)

    async def sign(self, evidence_id: str, envelope: Mapping[str, Any]) -> EvidenceItem:
        """Check the manifest against the intake and add the sealing service's signature, unless there is one.

        Raises Problem 404 without order, 422 `evidence.manifest_refused`.
        """
        async with self.runtime.database.transaction() as session:
            known = await repository.load(session, evidence_id)
            return known or await self._sign(session, evidence_id, envelope)

    async def _sign(
        self, session: AsyncSession, evidence_id: str, envelope: Mapping[str, Any]
    ) -> EvidenceItem:
        suites = self.runtime.settings.suites
        bare, statement = rules.open_submission(envelope, self.runtime.worker_keys(), suites)
        worker_keyids = [signature["keyid"] for signature in bare["signatures"]]
        order = await orders.find(session, evidence_id)
        if order is None:
            raise not_found("采集任务", "order")
        artefacts = await intakes.of_item(session, evidence_id)
        rules.check_against_intake(statement, order, artefacts, worker_keyids)
        await self._check_beacon(session, evidence_id, statement["predicate"]["times"]["beacon_checkpoint"])
        events = [Happened("captured", _WORKER, order.purpose), Happened("hashed"), Happened("signed")]
        for signer in self.runtime.sealing_signers:
            bare = add_signature(bare, signer)
        signed = envelope_bytes(bare)
        values = _item_values(statement["predicate"], signed) | {
            "id": evidence_id,
            "org_code": order.org_code,
            "region_code": order.region_code,
            "ordered_by": order.ordered_by,
            "custody_seq": len(events),
        }
        if await repository.add(session, values):
            await custody.add(session, evidence_id, 1, events)
            return _changed(EvidenceItem(), values | {"stamps": []})
        return await _loaded(session, evidence_id)

    async def _check_beacon(self, session: AsyncSession, evidence_id: str, beacon: Any) -> None:
        """The beacon must be a checkpoint this log signed, over the order: captured after it was ordered."""
        try:
            head = open_checkpoint(str(beacon), self.runtime.log.public)
        except NoteError as error:
            raise rules.refused("信标不是本日志的检查点", f"beacon: {error}") from error
        kept = await log_repository.checkpoint(session, head.size)
        if kept is None or open_checkpoint(kept.note, self.runtime.log.public) != head:
            raise rules.refused("信标不在本日志中", "the beacon is not a checkpoint of this log")
        ordered = await log_repository.index_of(session, order_ref(evidence_id))
        if ordered is None or head.size <= ordered:
            raise rules.refused("信标早于任务登记", "the beacon is older than the order")

    async def stamp(self, item: EvidenceItem) -> EvidenceItem:
        """Have the signatures time-stamped; give out the number and queue the log entry.

        Raises Problem 503 `evidence.tsa_unavailable`, 502 `evidence.tsa_refused`.
        """
        envelope: Envelope = json.loads(item.envelope)
        fresh = await self.runtime.stamps().stamp(stamped_message(envelope))
        stamps = [_stamp_row(item.id, position, stamp) for position, stamp in enumerate(fresh)]
        year = rules.number_year(utc_now())
        try:
            async with self.runtime.database.transaction() as session:
                sequence = await repository.next_number(session, item.region_code, year)
                number = rules.format_number(item.region_code, year, sequence)
                entry = rules.seal_entry(item.id, number, item.envelope, [s.response for s in fresh])
                values = {"stage": "stamped", "evidence_no": number, "entry": entry}
                await self._advance(session, item, values, Happened("stamped"))
                await repository.add_stamps(session, stamps)
                await log_repository.enqueue(session, {rules.log_ref(item.id): entry})
        except _MovedOnError:
            return await self._reload(item.id)
        return _changed(item, values | {"stamps": [Stamp(**row) for row in stamps]})

    async def log(self, item: EvidenceItem) -> EvidenceItem:
        """Wait for the leaf and a cosigned checkpoint over it; lay out the package.

        Raises Problem 503 `evidence.custodian_unavailable`, 502 `evidence.log_fork`, 507 store full.
        """
        log = self.runtime.log
        index, artefacts = await asyncio.gather(
            log.wait_for(rules.log_ref(item.id)), self._artefacts(item.id)
        )
        checkpoint = await log.cosigned_over(index, self.runtime.custodian())
        proof = await log.proof(index, checkpoint)
        parts = _lay_out(item, artefacts, proof)
        layout = await asyncio.to_thread(self.runtime.store.put, dump_layout(parts))
        values = {
            "stage": "logged",
            "log_index": index,
            "log_size": checkpoint.size,
            "proof": proof,
            "layout_sha256": layout.sha256,
            "package_bytes": total_bytes(parts),
        }
        try:
            async with self.runtime.database.transaction() as session:
                await self._advance(session, item, values, Happened("logged"))
        except _MovedOnError:
            return await self._reload(item.id)
        return _changed(item, values)

    async def _artefacts(self, evidence_id: str) -> list[Artefact]:
        async with self.runtime.database.transaction() as session:
            return await intakes.of_item(session, evidence_id)

    async def replicate(self, item: EvidenceItem) -> EvidenceItem:
        """Give the custodian the package while it is read back and hashed; check his receipt; call it sealed.

        Raises Problem 503, 502 as the custodian client, 500 `evidence.store_damaged`.
        """
        store, custodian = self.runtime.store, self.runtime.custodian()
        parts = load_layout(store.read(str(item.layout_sha256)))
        reading = ReadBack(parts, store.open)
        try:
            receipt = await custodian.store(item.id, total_bytes(parts), reading.blocks())
        except (StoredBytesChangedError, FileNotFoundError) as error:
            raise store_damaged() from error
        sha256, sm3 = reading.digests()
        _check_receipt(custodian.receipt_payload(receipt), item, sha256, reading.bytes)
        values = {
            "stage": "sealed",
            "receipt": json.dumps(receipt),
            "package_sha256": sha256,
            "package_sm3": sm3,
            "package_bytes": reading.bytes,
            "sealed_at": utc_now(),
        }
        kept = Happened("replicated", reason=custodian.pinned.name)
        try:
            async with self.runtime.database.transaction() as session:
                await self._advance(session, item, values, kept, Happened("sealed"))
        except _MovedOnError:
            return await self._reload(item.id)
        self.runtime.log.wake(urgent=False)
        return _changed(item, values)


async def _loaded(session: AsyncSession, evidence_id: str) -> EvidenceItem:
    item = await repository.load(session, evidence_id)
    if item is None:
        raise not_found("证据", "evidence item")
    return item


def _changed(item: EvidenceItem, values: Mapping[str, Any]) -> EvidenceItem:
    """The item (detached from any session) as the database now has it."""
    for name, value in values.items():
        set_committed_value(item, name, value)
    return item


def _stamp_row(evidence_id: str, position: int, stamp: FreshStamp) -> dict[str, Any]:
    return {
        "evidence_id": evidence_id,
        "position": position,
        "authority": stamp.authority,
        "operator": stamp.operator,
        "response": stamp.response,
        "stamped_at": stamp.time,
    }


def _lay_out(item: EvidenceItem, artefacts: list[Artefact], proof: str) -> list[Part]:
    members = [Member(row.path, row.bytes, row.crc32, row.sha256) for row in artefacts]
    proofs = {ENVELOPE: item.envelope, ENTRY: item.entry or b"", PROOF: proof.encode()}
    proofs |= {stamp_path(stamp.position): stamp.response for stamp in item.stamps}
    return build(rules.predicate_of(item.envelope), members, proofs)


def _item_values(predicate: Mapping[str, Any], envelope: bytes) -> dict[str, Any]:
    target = predicate["target"]
    return {
        "stage": "signed",
        "envelope": envelope,
        "requested_url": target["requested_url"],
        "final_url": target.get("final_url"),
        "title": str(target.get("title") or ""),
        "http_status": target.get("http_status"),
        "outcome": predicate["completeness"]["state"],
        "captured_at": moment(predicate["times"]["end"]),
    }


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


def _other_manifest() -> Problem:
    return Problem(
        "evidence.already_signed",
        409,
        zh="该证据已按另一份清单签名,不能更换",
        en="this item was signed with another manifest, which is not replaced",
    )
