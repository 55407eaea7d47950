"""Reading evidence: every read by a person is a custody event."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from io import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO, cast

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.audit import record
from services.common.clock import rfc3339, utc_now
from services.common.identity import Claims
from services.common.paging import Page, decode_cursor, encode_cursor
from services.common.problems import Problem, not_found
from services.evidence.custody import service as custody
from services.evidence.intakes import repository as intakes
from services.evidence.items import repository, views
from services.evidence.items.models import EvidenceItem
from services.evidence.items.schemas import ItemOut, ItemRow, RequiredOut
from services.evidence.objects.faults import store_damaged
from services.evidence.package.layout import Part, load_layout
from services.evidence.package.reader import BLOCK, PackageReader
from services.evidence.package.transfer import blocks
from services.evidence.renewals import repository as renewals
from services.evidence.renewals.schemas import RenewalOut
from services.evidence.retention import service as retention
from services.evidence.runtime import Runtime
from services.evidence.timestamps.waiting import limit_on
from services.evidence.verification import verifier


async def list_items(
    session: AsyncSession, claims: Claims, *, q: str, outcome: str | None, cursor: str | None, limit: int
) -> Page[ItemRow]:
    """Items the caller may see, newest first.

    A list shows no digests and opens no item: it is one row of the audit record (who searched for what and
    what was shown), not an event of fifty chains of custody.
    """
    before = str(decode_cursor(cursor)[0]) if cursor else None
    found = await repository.page(
        session, claims, q=q.strip(), outcome=outcome, before=before, limit=limit + 1
    )
    items = [views.row(item) for item in found[:limit]]
    more = len(found) > limit
    shown = {"q": q.strip(), "outcome": outcome, "shown": [item.id for item in items]}
    await record(session, claims, event="evidence.listed", object_type="evidence", object_id="", after=shown)
    return Page(items=items, next_cursor=encode_cursor([items[-1].id]) if more else None)


async def visible_item(session: AsyncSession, evidence_id: str, claims: Claims) -> EvidenceItem:
    """An item the caller may see. Raises Problem 404."""
    item = await repository.find_visible(session, evidence_id, claims)
    if item is None:
        raise not_found("证据", "evidence item")
    return item


async def _note(
    runtime: Runtime, session: AsyncSession, evidence_id: str, claims: Claims, event: str, **about: str
) -> None:
    """Record that someone looked; the same look by the same person within a minute is one event."""
    reason = about.pop("reason", "")[:500]
    happened = custody.Happened(event, custody.actor_of(claims), reason, about)
    if await custody.record_once(session, evidence_id, happened):
        runtime.log.wake(urgent=False)


async def show(runtime: Runtime, evidence_id: str, claims: Claims, reason: str = "") -> ItemOut:
    """An item with everything. Raises Problem 404."""
    async with runtime.database.transaction() as session:
        item = await visible_item(session, evidence_id, claims)
        await _note(runtime, session, evidence_id, claims, "viewed", reason=reason)
        kept = await retention.view(session, evidence_id)
        record = await renewals.find(session, evidence_id)
        renewed = RenewalOut.model_validate(record) if record is not None else None
    limit = limit_on(utc_now().date())
    required = RequiredOut(
        authorities=runtime.own.tsa_quorum,
        custodians=runtime.custodian_quorum,
        custodian_names=[client.pinned.name for client in runtime.custodians()],
        stamp_warn_seconds=int(limit.warn.total_seconds()),
        stamp_limit_seconds=int(limit.longest.total_seconds()),
    )
    return views.detail(item, runtime.log.origin, _receipts(runtime, item), required, kept, renewed)


def _receipts(runtime: Runtime, item: EvidenceItem) -> list[dict[str, Any]]:
    """What the custodians' receipts say; `genuine` is null for one whose custodian is not pinned any more."""
    pinned = {client.pinned.name: client for client in runtime.custodians()}
    found = []
    for kept in item.receipts:
        client = pinned.get(kept.custodian)
        facts: dict[str, Any] = {"custodian": kept.custodian, "stored_at": rfc3339(kept.stored_at)}
        facts |= {"genuine": None, "operator": kept.operator}
        if client is not None:
            facts |= {**client.receipt_payload(json.loads(kept.receipt)), "genuine": True}
        found.append(facts)
    return found


@dataclass(frozen=True)
class ArtefactFile:
    """An artefact to be sent: its local file where the store has one, its bytes otherwise; name, digest."""

    path: Path | None
    content: BinaryIO
    size: int
    name: str
    sha256: str

    async def stream(self) -> AsyncIterator[bytes]:
        """The bytes in blocks, for a store without local files."""
        with self.content as file:
            while block := await asyncio.to_thread(file.read, BLOCK):
                yield block


async def artefact(runtime: Runtime, evidence_id: str, path: str, claims: Claims) -> ArtefactFile:
    """One artefact's file. Raises Problem 404."""
    async with runtime.database.transaction() as session:
        await visible_item(session, evidence_id, claims)
        found = await intakes.find(session, evidence_id, path)
        if found is None:
            raise not_found("证据文件", "artefact")
        await _note(runtime, session, evidence_id, claims, "artefact_read", path=path)
    try:
        content = await asyncio.to_thread(runtime.store.open, found.sha256)
    except FileNotFoundError as error:
        raise store_damaged() from error
    local = runtime.store.file(found.sha256)
    with content if local else nullcontext():
        if content.seek(0, SEEK_END) != found.bytes:
            raise store_damaged()
        content.seek(0)
    return ArtefactFile(local, content, found.bytes, path.rpartition("/")[2], found.sha256)


async def sealed_parts(runtime: Runtime, item: EvidenceItem) -> list[Part]:
    """The parts of a sealed item's package. Raises Problem 409 `evidence.not_sealed`, 500 damaged store."""
    if item.stage != "sealed" or item.layout_sha256 is None:
        raise Problem(
            "evidence.not_sealed",
            409,
            zh="该证据尚未完成固证",
            en="this item is not sealed yet",
            todo_zh="请稍候,系统会自动继续",
            todo_en="wait: sealing goes on by itself",
        )
    try:
        return load_layout(await asyncio.to_thread(runtime.store.read, item.layout_sha256))
    except FileNotFoundError as error:
        raise store_damaged() from error


@dataclass(frozen=True)
class Export:
    """A package to be sent."""

    name: str
    size: int
    sha256: str
    stream: AsyncIterator[bytes]


async def export(runtime: Runtime, evidence_id: str, claims: Claims, reason: str) -> Export:
    """The whole package, with the export and its reason on record before the first byte leaves.

    Raises Problem 404, 409 `evidence.not_sealed`, 422 `evidence.reason_missing`.
    """
    reason = custody.required_reason(reason)
    async with runtime.database.transaction() as session:
        item = await visible_item(session, evidence_id, claims)
        parts = await sealed_parts(runtime, item)
        event = custody.Happened("exported", custody.actor_of(claims), reason)
        await custody.record(session, evidence_id, event)
    runtime.log.wake(urgent=False)
    return Export(
        name=f"{item.evidence_no}.wacz",
        size=item.package_bytes or 0,
        sha256=item.package_sha256 or "",
        stream=stream_parts(runtime, parts),
    )


async def stream_parts(runtime: Runtime, parts: list[Part]) -> AsyncIterator[bytes]:
    """The bytes of a package in blocks, read from the store as they are asked for."""
    source = blocks(parts, runtime.store.open)
    while True:
        block = await asyncio.to_thread(next, source, b"")
        if not block:
            return
        yield block


async def verify_item(runtime: Runtime, evidence_id: str, claims: Claims) -> dict[str, Any]:
    """The offline verifier's report on the package and its evidence record. Raises Problem 404, 409."""
    trust = runtime.trust()
    async with runtime.database.transaction() as session:
        item = await visible_item(session, evidence_id, claims)
        parts = await sealed_parts(runtime, item)
        kept = await renewals.find(session, evidence_id)
        await custody.record(session, evidence_id, custody.Happened("verified", custody.actor_of(claims)))
    runtime.log.wake(urgent=False)
    return await asyncio.to_thread(_verify, parts, runtime, trust, kept.record if kept else None)


def _verify(
    parts: list[Part], runtime: Runtime, trust: dict[str, Any], record: bytes | None
) -> dict[str, Any]:
    with closing(PackageReader(parts, runtime.store.open)) as reader:
        return verifier.verify(cast(BinaryIO, reader), trust, record=record)
