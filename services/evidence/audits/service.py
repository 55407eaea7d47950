"""Auditing everything: the log, what it says should be there, the numbers, the custodians' lists, each item.

The first parts look at the whole; the items come last, in order of their ids, so that an audit that was
broken off goes on after the last item it named.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from services.common.problems import Problem
from services.evidence.audits import repository, rules
from services.evidence.audits.inspection import ItemAudit
from services.evidence.audits.rules import Finding, Signed, Timeline
from services.evidence.custodian import CustodianClient
from services.evidence.keys import audit as keys
from services.evidence.log import fsck
from services.evidence.log.entries import read_entry, subject_of
from services.evidence.log.models import LogCheckpoint
from services.evidence.log.notes import NoteKey, split_note, verify_line
from services.evidence.runtime import Runtime

_BATCH = 20
_MOST = 10_000


class Audit:
    """One audit of a runtime. `away`: custodians that did not answer, so their copies were not checked."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._witnesses = [custodian.pinned.witness for custodian in runtime.custodians()]
        self._named: set[tuple[str, str]] = set()
        self.away: list[str] = []
        self.findings = self.items = 0

    async def run(self, after: str = "") -> AsyncIterator[dict[str, Any]]:
        """JSON lines: findings, progress, at last `end`. after: the item to go on after."""
        answering = await self._answering()
        timelines = await self._timelines()
        if not after:
            async for line in self._whole(timelines, answering):
                yield line
        async for line in self._items(ItemAudit(self._runtime, timelines, answering), after):
            yield line
        away = [{"custodian": name} for name in self.away]
        yield {"end": {"findings": self.findings, "items": self.items, "not_checked": away}}

    def _line(self, finding: Finding) -> dict[str, Any]:
        self.findings += 1
        return finding.line()

    async def _answering(self) -> list[CustodianClient]:
        found = []
        for custodian in self._runtime.custodians():
            try:
                await custodian.copies("~")
            except Problem as problem:
                self.away.append(f"{custodian.pinned.name}: {problem.code}")
            else:
                found.append(custodian)
        return found

    async def _timelines(self) -> dict[int, Timeline]:
        found = {}
        for shard in self._runtime.log.shards:
            async with self._runtime.database.transaction() as session:
                rows = await repository.checkpoints(session, shard.number)
            found[shard.number] = Timeline([_signed(row, self._witnesses) for row in rows])
        return found

    async def _whole(
        self, timelines: dict[int, Timeline], custodians: Sequence[CustodianClient]
    ) -> AsyncIterator[dict[str, Any]]:
        async for line in self._log():
            yield line
        for shard, timeline in timelines.items():
            for why in timeline.jumps():
                yield self._line(Finding("clock.moved", detail=f"shard {shard}: {why}"))
        for finding in [*await self._without_rows(), *await self._numbers(), *await self._keys()]:
            yield self._line(finding)
        for custodian in custodians:
            async for line in self._copies(custodian):
                yield line

    async def _log(self) -> AsyncIterator[dict[str, Any]]:
        log = self._runtime.log
        await log.flush()
        async for step in fsck.check(self._runtime.database, log.shards, log.root, self._witnesses):
            if isinstance(step, fsck.Finding):
                item = subject_of(step.entry)
                number = read_entry(step.entry).get("evidence_no") if step.entry else None
                yield self._line(Finding(f"log.{step.code}", item, number, f"#{step.shard} {step.where}"))
                if item and step.code == "entry.gap":
                    async for line in self._gone([(item, number)], "the log's published entry"):
                        yield line
            else:
                yield {"progress": f"log.{step.what}", "done": step.done, "total": step.total}

    async def _gone(
        self, named: Sequence[tuple[str, str | None]], where: str
    ) -> AsyncIterator[dict[str, Any]]:
        """`item.missing` for those of these items that have no row; each is named once."""
        async with self._runtime.database.transaction() as session:
            known = await repository.known_items(session, [item for item, _ in named])
        for item, number in named:
            if item not in known and number and ("item.missing", item) not in self._named:
                self._named.add(("item.missing", item))
                yield self._line(Finding("item.missing", item, number, f"known from {where}"))

    async def _without_rows(self) -> list[Finding]:
        found: list[Finding] = []
        async with self._runtime.database.transaction() as session:
            for ref, entry in await repository.without_rows(session, "seal", _MOST):
                said = read_entry(entry)
                item = ref.removeprefix("seal:")
                self._named.add(("item.missing", item))
                found.append(Finding("item.missing", item, said.get("evidence_no"), "known from the log"))
            for ref, _ in await repository.without_rows(session, "order", _MOST):
                found.append(Finding("order.missing", ref.removeprefix("order:")))
            for ref, _ in await repository.without_rows(session, "custody", _MOST):
                found.append(Finding("custody.removed", detail=f"event {ref.removeprefix('custody:')}"))
        return found

    async def _keys(self) -> list[Finding]:
        """The table of signing keys, which makes the trust file, against the log's key events."""
        async with self._runtime.database.transaction() as session:
            differing = await keys.check(session)
        return [Finding(one.code, detail=" ".join((one.keyid, *one.fields))) for one in differing]

    async def _numbers(self) -> list[Finding]:
        async with self._runtime.database.transaction() as session:
            given = await repository.numbers(session)
            counters = {(row.region_code, row.year): row.last for row in await repository.counters(session)}
        by_counter: dict[tuple[str, int], list[int]] = {key: [] for key in counters}
        for number in given:
            _, region_code, of_year, counted = number.split("-")
            by_counter.setdefault((region_code, int(of_year)), []).append(int(counted))
        found: list[Finding] = []
        for (region, year), serials in by_counter.items():
            last = counters.get((region, year), 0)
            for serial in rules.number_gaps(serials, last):
                found.append(Finding("number.gap", number=f"WJ-{region}-{year}-{serial:08d}"))
            if serials and max(serials) > last:
                found.append(Finding("number.counter", detail=f"{region} {year}: {last} < {max(serials)}"))
        return found

    async def _copies(self, custodian: CustodianClient) -> AsyncIterator[dict[str, Any]]:
        """What a custodian keeps must be here."""
        after, done, where = "", 0, custodian.pinned.name
        while True:
            try:
                copies = await custodian.copies(after)
            except Problem as problem:
                self.away.append(f"{where}: {problem.code}")
                return
            if not copies:
                return
            named = [(str(copy["evidence_id"]), str(copy["evidence_no"])) for copy in copies]
            async for line in self._gone(named, where):
                yield line
            after, done = named[-1][0], done + len(named)
            yield {"progress": "copies", "done": done, "total": done}

    async def _items(self, audit: ItemAudit, after: str) -> AsyncIterator[dict[str, Any]]:
        async with self._runtime.database.transaction() as session:
            total = await repository.count_items(session)
        while True:
            async with self._runtime.database.transaction() as session:
                batch = await repository.items_after(session, after, _BATCH)
            if not batch:
                return
            for item in batch:
                for finding in await audit.run(item):
                    yield self._line(finding)
                after = item.id
                self.items += 1
                yield {"progress": "items", "done": self.items, "total": total, "after": after}


def _signed(row: LogCheckpoint, witnesses: Sequence[NoteKey]) -> Signed:
    told: datetime | None = None
    keys = {(key.name, key.key_id): key for key in witnesses}
    if row.cosigned:
        try:
            body, lines = split_note(row.cosigned)
            times = [
                verify_line(body, keys[name, blob[:4]], blob)
                for name, blob in lines
                if (name, blob[:4]) in keys
            ]
            seconds = min((time for time in times if time is not None), default=None)
            told = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
        except ValueError:
            # A cosignature that does not verify is the log check's finding.
            told = None
    return Signed(row.size, row.created_at, told)
