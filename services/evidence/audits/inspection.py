"""Auditing one item: its rows, its objects, its proofs, its chain, its times, the custodians' copies."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from rfc3161_client import decode_timestamp_response
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.problems import Problem
from services.evidence.audits import repository, rules
from services.evidence.audits.rules import Finding, Timeline, Times
from services.evidence.custodian import CustodianClient
from services.evidence.custody.inspection import examine
from services.evidence.intakes.models import Artefact
from services.evidence.items.composing import item_values
from services.evidence.items.models import EvidenceItem
from services.evidence.items.rules import log_ref, predicate_of
from services.evidence.log import repository as log_repository
from services.evidence.log.notes import split_note, verify_line
from services.evidence.log.proofs import parse_proof
from services.evidence.orders.models import Order
from services.evidence.orders.rules import log_entry as order_entry
from services.evidence.orders.rules import log_ref as order_ref
from services.evidence.package.layout import Part, load_layout, total_bytes
from services.evidence.package.reader import BLOCK, PackageReader
from services.evidence.runtime import Runtime

_RANGES = 4
_RANGE_BYTES = 64 * 1024
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class ItemAudit:
    """Audits items of one runtime. timelines: by shard; custodians: those that answer now."""

    def __init__(
        self, runtime: Runtime, timelines: Mapping[int, Timeline], custodians: Sequence[CustodianClient]
    ) -> None:
        self._runtime, self._timelines, self._custodians = runtime, timelines, custodians
        pinned = [custodian.pinned for custodian in runtime.custodians()]
        self._witnesses = {(one.witness.name, one.witness.key_id): one.witness for one in pinned}

    async def run(self, item: EvidenceItem) -> list[Finding]:
        """Everything wrong with one item."""
        async with self._runtime.database.transaction() as session:
            order = await repository.order_of(session, item.id)
            artefacts = await repository.artefacts_of(session, item.id)
            found = [*await self._order(session, item, order), *await self._chain(session, item)]
            found += await self._leaf(session, item)
        found += _row(item, order, artefacts)
        found += self._times(item)
        if item.stage == "sealed":
            found += self._receipts(item)
            found += await self._bytes(item, artefacts)
        # A row changed in one place may show in several: each is said once.
        return list(dict.fromkeys(found))

    async def _order(self, session: AsyncSession, item: EvidenceItem, order: Order | None) -> list[Finding]:
        if order is None:
            return [_finding("order.missing", item)]
        entry = order_entry(order.id, order.document)
        index = await log_repository.index_of(session, order_ref(order.id))
        kept = await log_repository.entry_of(session, order_ref(order.id))
        if index is None or kept is None:
            return [_finding("item.unlogged", item, "the order")]
        return [] if kept == entry else [_finding("order.changed", item)]

    async def _chain(self, session: AsyncSession, item: EvidenceItem) -> list[Finding]:
        chain = await examine(self._runtime, session, item.id)
        found = [
            _finding("custody.altered", item, f"event {event.seq}: {', '.join(event.faults)}")
            for event in chain.events
            if event.verdict == "altered"
        ]
        if chain.missing:
            found.append(_finding("custody.gap", item, f"events {chain.missing[:10]}"))
        stamped = min((told for _, told in _stamp_times(item)), default=None)
        events = await repository.events_of(session, item.id)
        indexes = {event.seq: event.index for event in chain.events}
        for event in events:
            index = indexes.get(event.seq)
            shard = getattr(index, "shard", 0)
            line = self._timelines.get(shard)
            signed = line.signed_over(index) if line and index is not None else None
            cosigned = line.cosigned_over(index) if line and index is not None else None
            why = rules.check_event_time(event.at, event.event, signed, cosigned, stamped)
            if why:
                found.append(_finding("clock.moved", item, f"event {event.seq} {event.event}: {why}"))
        return found

    async def _leaf(self, session: AsyncSession, item: EvidenceItem) -> list[Finding]:
        if item.stage in ("signed", "stamped"):
            return []
        index = await log_repository.index_of(session, log_ref(item.id))
        entry = await log_repository.entry_of(session, log_ref(item.id))
        if index is None or entry is None:
            return [_finding("item.unlogged", item)]
        found: list[Finding] = []
        if entry != item.entry:
            found.append(_finding("item.changed", item, "entry"))
        log = self._runtime.log.shards[item.log_shard or 0].public
        why = rules.check_proof(entry, item.proof or "", log, item.log_index)
        if why:
            found.append(_finding("item.proof", item, why))
        return found

    def _times(self, item: EvidenceItem) -> Iterator[Finding]:
        times = Times(
            captured=item.captured_at,
            created=item.created_at,
            stamps=_stamp_times(item),
            cosigned=self._cosigned(item),
            sealed=item.sealed_at,
            stored=[stored for stored, _ in self._stated(item)],
        )
        for why in rules.check_times(times):
            yield _finding("clock.moved", item, why)

    def _cosigned(self, item: EvidenceItem) -> list[datetime]:
        """Times of the cosignatures in the item's own proof that verify."""
        found: list[datetime] = []
        try:
            body, lines = split_note(parse_proof(item.proof or "")[2])
            for name, blob in lines:
                key = self._witnesses.get((name, blob[:4]))
                seconds = verify_line(body, key, blob) if key else None
                if seconds is not None:
                    found.append(datetime.fromtimestamp(seconds, UTC))
        except ValueError:
            # What is wrong with the proof is said by check_proof.
            return []
        return found

    def _stated(self, item: EvidenceItem) -> list[tuple[datetime, dict[str, Any]]]:
        """(stored_at, payload) of the item's receipts that verify."""
        found = []
        for receipt in item.receipts:
            for custodian in self._runtime.custodians():
                if custodian.pinned.name == receipt.custodian:
                    try:
                        said = custodian.receipt_payload(json.loads(receipt.receipt))
                        found.append((datetime.fromisoformat(said["stored_at"]), said))
                    except (Problem, *_MALFORMED):
                        continue
        return found

    def _receipts(self, item: EvidenceItem) -> Iterator[Finding]:
        genuine = {said["custodian"]: said for _, said in self._stated(item)}
        known = {custodian.pinned.name: custodian.pinned.operator for custodian in self._runtime.custodians()}
        expected = {
            "evidence_id": item.id,
            "evidence_no": item.evidence_no,
            "package_sha256": item.package_sha256,
            "package_bytes": item.package_bytes,
        }
        operators = set()
        for receipt in item.receipts:
            if receipt.custodian not in known:
                continue
            said = genuine.get(receipt.custodian)
            wrong = [name for name, value in expected.items() if said is None or said.get(name) != value]
            if wrong:
                yield _finding("receipt.changed", item, f"{receipt.custodian}: {', '.join(wrong)}")
            operators.add(known[receipt.custodian])
        if len(operators) < self._runtime.custodian_quorum:
            yield _finding("receipt.missing", item, f"{len(operators)} of {self._runtime.custodian_quorum}")

    async def _bytes(self, item: EvidenceItem, artefacts: Sequence[Artefact]) -> list[Finding]:
        store, paths = self._runtime.store, {row.sha256: row.path for row in artefacts}
        parts, found = await asyncio.to_thread(_read_back, store, item, paths)
        if not found:
            for custodian in self._custodians:
                found += await _challenge(custodian, item, parts, store)
        return found


def _finding(code: str, item: EvidenceItem, detail: str = "") -> Finding:
    return Finding(code, item.id, item.evidence_no, detail)


def _stamp_times(item: EvidenceItem) -> list[tuple[datetime, datetime]]:
    found = []
    for stamp in item.stamps:
        try:
            told = decode_timestamp_response(stamp.response).tst_info.gen_time
        except ValueError:
            continue
        found.append((stamp.stamped_at, told))
    return found


def _row(item: EvidenceItem, order: Order | None, artefacts: Sequence[Artefact]) -> Iterator[Finding]:
    row = {column.key: getattr(item, column.key) for column in EvidenceItem.__table__.columns}
    try:
        predicate = predicate_of(item.envelope)
        signed = item_values(predicate, item.envelope)
        listed = {a["path"]: (a["bytes"], a["sha256"], a["sm3"]) for a in predicate["artifacts"]}
    except _MALFORMED:
        yield _finding("item.changed", item, "envelope")
        return
    signed = {name: value for name, value in signed.items() if name not in ("stage", "envelope")}
    whose = (
        {name: getattr(order, name) for name in ("org_code", "region_code", "ordered_by")} if order else {}
    )
    own = {name: row[name] for name in ("org_code", "region_code", "ordered_by")}
    for name in rules.check_item(row, signed, whose or own):
        yield _finding("item.changed", item, name)
    if item.stage != "signed":
        for code, what in rules.check_entry(row, [stamp.response for stamp in item.stamps]):
            yield _finding(code, item, what)
    for path in sorted({*listed, *(row.path for row in artefacts)}):
        have = [(one.bytes, one.sha256, one.sm3) for one in artefacts if one.path == path]
        if have != [listed.get(path)]:
            yield _finding("artefact.changed", item, path)


def _read_back(store: Any, item: EvidenceItem, paths: Mapping[str, str]) -> tuple[list[Part], list[Finding]]:
    """Hash every object of the package and the package itself; gives its parts and what is wrong."""
    try:
        data = store.read(str(item.layout_sha256))
    except FileNotFoundError:
        return [], [_finding("object.missing", item, "layout")]
    if hashlib.sha256(data).hexdigest() != item.layout_sha256:
        return [], [_finding("object.changed", item, "layout")]
    parts, whole = load_layout(data), hashlib.sha256()
    found: list[Finding] = []
    for part in parts:
        if part.data is not None:
            whole.update(part.data)
            continue
        single, name = hashlib.sha256(), paths.get(str(part.sha256), str(part.sha256))
        try:
            with store.open(str(part.sha256)) as file:
                while block := file.read(BLOCK):
                    single.update(block)
                    whole.update(block)
        except FileNotFoundError:
            found.append(_finding("object.missing", item, name))
            continue
        if single.hexdigest() != part.sha256:
            found.append(_finding("object.changed", item, name))
    if not found and whole.hexdigest() != item.package_sha256:
        found.append(_finding("package.changed", item, f"now {whole.hexdigest()}"))
    return parts, found


async def _challenge(
    custodian: CustodianClient, item: EvidenceItem, parts: list[Part], store: Any
) -> list[Finding]:
    """Have a custodian prove that it holds these very bytes: it cannot know nonce and places beforehand."""
    name = custodian.pinned.name
    if name not in {receipt.custodian for receipt in item.receipts}:
        return []
    size, nonce = total_bytes(parts), secrets.token_bytes(32)
    starts = [secrets.randbelow(max(1, size - _RANGE_BYTES + 1)) for _ in range(_RANGES)]
    ranges = [(start, min(_RANGE_BYTES, size - start)) for start in starts]
    try:
        answers = await custodian.challenge(item.id, nonce, ranges)
    except Problem as problem:
        if problem.status == 503:
            return []
        return [_finding("copy.changed", item, f"{name}: {problem.en[:200]}")]
    if answers is None:
        return [_finding("copy.missing", item, name)]
    own = await asyncio.to_thread(_own_answers, parts, store, nonce, ranges)
    return [] if answers == own else [_finding("copy.changed", item, name)]


def _own_answers(parts: list[Part], store: Any, nonce: bytes, ranges: Sequence[tuple[int, int]]) -> list[str]:
    answers = []
    with closing(PackageReader(parts, store.open)) as reader:
        for start, length in ranges:
            reader.seek(start)
            answers.append(hashlib.sha256(nonce + reader.read(length)).hexdigest())
    return answers
