"""Renewing proofs of time before they age: many packages under one archive time stamp (RFC 4998)."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import tsp

from services.common.clock import utc_now
from services.common.database import Database
from services.common.identity import Claims
from services.common.problems import Problem, not_found
from services.evidence.custody import service as custody
from services.evidence.items import repository as items
from services.evidence.objects.store import ObjectStore
from services.evidence.package.layout import load_layout
from services.evidence.package.transfer import blocks
from services.evidence.renewals import records, repository, rules
from services.evidence.renewals.records import Plan
from services.evidence.renewals.rules import Due, Kind
from services.evidence.runtime import Runtime
from services.evidence.timestamps.client import Stamp, StampClient
from services.evidence.timestamps.rules import PinnedAuthority
from services.evidence.verification.verifier import Failed
from services.evidence.verification.verifier.renewal import check_record

AT_ONCE = 10_000
"""Most packages under one archive time stamp."""

# Items are locked while their event is written: not for longer than a second.
_KEPT_TOGETHER = 500

Progress = Callable[[int, int], None]


@dataclass
class Outcome:
    """What a run did: ids renewed, by kind; ids that could not be, with the reason."""

    renewed: dict[Kind, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many were renewed."""
        return sum(len(ids) for ids in self.renewed.values())


class Renewer:
    """Finds what is due and renews it. Repeating a run that broke off goes on where it stopped."""

    def __init__(
        self, database: Database, store: ObjectStore, stamps: StampClient, pinned: Sequence[PinnedAuthority]
    ) -> None:
        self._database, self._store, self._stamps = database, store, stamps
        self._trust = [authority.as_trust() for authority in pinned]
        self._ends = {authority.name: authority.valid_until for authority in pinned}

    @classmethod
    def of(cls, runtime: Runtime) -> "Renewer":
        """The renewer of a running service. Raises Problem 503 `evidence.trust_missing`."""
        return cls(runtime.database, runtime.store, runtime.stamps(), runtime.stamps().pinned)

    async def due(self, days: int, *, leave: Sequence[str] = (), limit: int = AT_ONCE) -> list[Due]:
        """Items whose proof of time ends within `days`; leave: digests to be left whatever the rules say."""
        now = utc_now()
        weak = [*rules.weak_digests(now), *leave]
        async with self._database.transaction() as session:
            return await repository.due(session, now + timedelta(days=days), weak, self._ends, limit)

    async def run(
        self, days: int, *, leave: Sequence[str] = (), progress: Progress = lambda done, total: None
    ) -> Outcome:
        """Renew all that is due. progress: called with (done, found so far).

        Raises Problem 503 `evidence.tsa_unavailable`, 502 `evidence.tsa_refused`, 409
        `evidence.renewed_meanwhile`.
        """
        outcome, seen = Outcome(), 0
        while True:
            listed = await self.due(days, leave=leave)
            found = [item for item in listed if item.evidence_id not in outcome.failed]
            if not found:
                return outcome
            before, seen = outcome.count + len(outcome.failed), seen + len(found)
            weak = [*rules.weak_digests(utc_now()), *leave]
            for (kind, algorithm), group in rules.groups(found, weak).items():
                await self._renew(kind, algorithm, group, weak, outcome)
                progress(outcome.count, seen)
            if outcome.count + len(outcome.failed) == before:
                return outcome

    async def _renew(
        self, kind: Kind, algorithm: str | None, group: list[Due], weak: Sequence[str], outcome: Outcome
    ) -> None:
        name = algorithm if kind == "prolong" and algorithm else rules.successor(weak)
        digests = {} if kind == "prolong" else await self._digests(group, kind, name, outcome)
        left = [item for item in group if item.evidence_id not in outcome.failed]
        if not left:
            return
        async with self._database.transaction() as session:
            old = await repository.records(session, [item.evidence_id for item in left])
        plan = _plan(kind, name, old, digests)
        tree = plan.tree()
        stamp = _longest(await self._stamps.stamp_digest(name, tree.root))
        token = tsp.TimeStampResp.load(stamp.response, strict=True)["time_stamp_token"].dump()
        rows = []
        for item in left:
            if not weak and item.until and stamp.valid_until and stamp.valid_until <= item.until:
                outcome.failed[item.evidence_id] = "no authority's certificate is valid for longer"
                continue
            record = records.extend(old.get(item.evidence_id), plan, tree, item.evidence_id, token)
            row = await asyncio.to_thread(self._checked, item, record, name, digests.get(item.evidence_id))
            if isinstance(row, str):
                outcome.failed[item.evidence_id] = row
            else:
                rows.append(row)
        await self._keep(rows, old, kind, stamp)
        outcome.renewed.setdefault(kind, []).extend(row["evidence_id"] for row in rows)

    async def _digests(self, group: list[Due], kind: Kind, name: str, outcome: Outcome) -> dict[str, bytes]:
        """The packages' digests. A new one is of all bytes in the store; a package not whole is named."""
        if kind == "begin" and name == "sha256":
            return {item.evidence_id: bytes.fromhex(item.package_sha256) for item in group}
        found = {}
        for item in group:
            try:
                known, fresh = await asyncio.to_thread(self._digest, item, name)
            except (FileNotFoundError, Problem) as error:
                outcome.failed[item.evidence_id] = f"the package is not whole: {error}"
                continue
            if known != item.package_sha256:
                outcome.failed[item.evidence_id] = "the stored package is not the one that was sealed"
                continue
            found[item.evidence_id] = fresh
        return found

    def _digest(self, item: Due, name: str) -> tuple[str, bytes]:
        known, fresh = hashlib.sha256(), hashlib.new(name)
        for block in blocks(load_layout(self._store.read(item.layout_sha256)), self._store.open):
            known.update(block)
            fresh.update(block)
        return known.hexdigest(), fresh.digest()

    def _checked(self, item: Due, record: bytes, name: str, fresh: bytes | None) -> dict[str, Any] | str:
        """The row to keep, the record having passed the verifier; else why it did not."""

        def digest(asked: str) -> bytes:
            if asked == "sha256":
                return bytes.fromhex(item.package_sha256)
            return fresh if fresh is not None and asked == name else self._digest(item, asked)[1]

        now = utc_now()
        try:
            found = check_record(record, digest, self._trust, now, rules.weak_since())
        except (Failed, FileNotFoundError, Problem) as error:
            return f"the renewed record does not verify: {error}"
        return {
            "evidence_id": item.evidence_id,
            "record": record,
            "algorithm": name,
            "stamps": found["stamps"],
            "chains": found["chains"],
            "first_at": found["first"],
            "renewed_at": now,
            "valid_until": found["until"],
        }

    async def _keep(
        self, rows: list[dict[str, Any]], old: Mapping[str, bytes], kind: Kind, stamp: Stamp
    ) -> None:
        """Keep records and custody events, some hundred items a transaction. Raises Problem 409."""
        about = {"kind": kind, "authority": stamp.authority}
        rows = sorted(rows, key=lambda row: str(row["evidence_id"]))
        for start in range(0, len(rows), _KEPT_TOGETHER):
            some = rows[start : start + _KEPT_TOGETHER]
            async with self._database.transaction() as session:
                await repository.keep(session, some, old)
                for row in some:
                    until = row["valid_until"].isoformat()
                    event = custody.Happened("renewed", about={**about, "until": until})
                    await custody.record(session, row["evidence_id"], event)


def _plan(kind: Kind, name: str, old: Mapping[str, bytes], digests: Mapping[str, bytes]) -> Plan:
    if kind == "begin":
        return records.begin(digests, name)
    if kind == "prolong":
        return records.prolong(old, name)
    return records.rehash(old, digests, name)


def _longest(stamps: Sequence[Stamp]) -> Stamp:
    return max(stamps, key=lambda stamp: stamp.valid_until.timestamp() if stamp.valid_until else 0.0)


@dataclass(frozen=True)
class RecordFile:
    """An evidence record to be sent."""

    name: str
    content: bytes
    valid_until: datetime


async def record_of(runtime: Runtime, evidence_id: str, claims: Claims) -> RecordFile:
    """An item's evidence record. Raises Problem 404 when there is no such item or it needs no record yet."""
    async with runtime.database.transaction() as session:
        item = await items.find_visible(session, evidence_id, claims)
        if item is None:
            raise not_found("证据", "evidence item")
        record = await repository.find(session, evidence_id)
        if record is not None:
            about = {"path": f"{item.evidence_no}.er"}
            happened = custody.Happened("artefact_read", custody.actor_of(claims), about=about)
            await custody.record_once(session, evidence_id, happened)
    if record is None:
        raise Problem(
            "evidence.no_record",
            404,
            zh="该证据的时间戳仍在有效期内,尚无续期记录",
            en="this item's time stamps are still valid; it has no evidence record yet",
            todo_zh="直接核验证据包即可",
            todo_en="verify the package as it is",
        )
    return RecordFile(f"{item.evidence_no}.er", record.record, record.valid_until)
