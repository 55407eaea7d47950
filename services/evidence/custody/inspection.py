"""Showing an item's chain of custody, proving an event of it, printing: each is an event itself."""

import asyncio
import base64
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.canonical import canonical
from services.common.clock import rfc3339
from services.common.identity import Claims
from services.common.problems import Problem, not_found
from services.evidence.custody import chain, repository, service
from services.evidence.custody.models import CustodyEvent
from services.evidence.custody.rules import LABELS, Happened, log_ref
from services.evidence.custody.schemas import (
    ActorOut,
    ChainOut,
    CustodyEventOut,
    CustodyOut,
    FaultOut,
    PrintOut,
)
from services.evidence.items import repository as items
from services.evidence.log import repository as log_repository
from services.evidence.runtime import Runtime
from services.evidence.verification import verifier

PROOF_SCHEMA = "urn:wangjian:custody-proof:v1"


async def _visible(session: AsyncSession, evidence_id: str, claims: Claims) -> None:
    if await items.find_visible(session, evidence_id, claims) is None:
        raise not_found("证据", "evidence item")


async def _note(
    runtime: Runtime, session: AsyncSession, evidence_id: str, claims: Claims, event: str, **about: str
) -> None:
    happened = Happened(event, service.actor_of(claims), about=about)
    if await service.record_once(session, evidence_id, happened):
        runtime.log.wake(urgent=False)


async def timeline(runtime: Runtime, evidence_id: str, claims: Claims) -> CustodyOut:
    """An item's events, each judged. Reading them is a view of the item. Raises Problem 404."""
    async with runtime.database.transaction() as session:
        await _visible(session, evidence_id, claims)
        await _note(runtime, session, evidence_id, claims, "viewed")
        return _shown(await examine(runtime, session, evidence_id))


async def printed(runtime: Runtime, evidence_id: str, claims: Claims, reason: str) -> PrintOut:
    """Record that the item is printed, and give the chain with that record in it.

    Raises Problem 404, 422 `evidence.reason_missing`.
    """
    actor = service.actor_of(claims)
    happened = Happened("printed", actor, service.required_reason(reason))
    async with runtime.database.transaction() as session:
        await _visible(session, evidence_id, claims)
        await service.record(session, evidence_id, happened)
        custody = _shown(await examine(runtime, session, evidence_id))
    runtime.log.wake(urgent=False)
    last = custody.events[-1]
    return PrintOut(seq=last.seq, at=last.at, by=last.actor, reason=last.reason, custody=custody)


async def examine(runtime: Runtime, session: AsyncSession, evidence_id: str) -> chain.Chain:
    """Every event of an item, judged against its neighbours, the queued entries and the tree."""
    rows = await repository.of_item(session, evidence_id)
    refs = [log_ref(row.id) for row in rows]
    entries = await repository.log_entries(session, refs)
    indexes = await log_repository.indexes_of(session, refs)
    kept = [
        chain.Kept(
            seq=row.seq,
            document=row.document,
            columns=_columns(row),
            entry=entries.get(ref),
            index=indexes.get(ref),
            leaf=await runtime.log.leaf(indexes[ref]) if ref in indexes else None,
        )
        for row, ref in zip(rows, refs, strict=True)
    ]
    return chain.judge(evidence_id, kept, await repository.expected_events(session, evidence_id))


def _columns(row: CustodyEvent) -> dict[str, Any]:
    return {
        "event": row.event,
        "actor": {"org": row.org, "org_name": row.org_name, **row.actor},
        "via": row.via,
        "client_ip": row.client_ip,
        "reason": row.reason,
        "about": row.about,
        "at": rfc3339(row.at),
    }


def _shown(found: chain.Chain) -> CustodyOut:
    return CustodyOut(
        events=[_event(one) for one in found.events],
        chain=ChainOut(
            verdict=found.verdict,
            expected=found.expected,
            missing=found.missing,
            altered=found.altered,
            waiting=found.waiting,
        ),
    )


def _event(one: chain.Judged) -> CustodyEventOut:
    said = one.said or {}
    actor = ActorOut(**{name: str(said.get("actor", {}).get(name, "")) for name in ActorOut.model_fields})
    event = str(said.get("event", ""))
    zh, en = LABELS.get(event, (event, event))
    return CustodyEventOut(
        seq=one.seq,
        event=event,
        zh=zh,
        en=en,
        actor=actor,
        via=str(said.get("via", "")),
        org=actor.org,
        at=str(said.get("at", "")),
        reason=str(said.get("reason", "")),
        about={name: str(value) for name, value in said.get("about", {}).items()},
        client_ip=str(said.get("client_ip", "")),
        log_index=one.index,
        link=one.link,
        leaf=one.leaf,
        verdict=one.verdict,
        faults=[_fault(code) for code in one.faults],
        missing_before=one.missing_before,
    )


def _fault(code: str) -> FaultOut:
    zh, en = chain.FAULTS[code]
    return FaultOut(code=code, zh=zh, en=en)


async def proof(runtime: Runtime, evidence_id: str, seq: int, claims: Claims) -> bytes:
    """The custody proof of one event (docs/evidence/package.md), which anyone can check with no access to us.

    Raises Problem 404; 409 `custody.not_logged` while the log has not taken the event, `custody.altered` when
    the record is not the one the log has; 503 when no checkpoint can be cosigned.
    """
    async with runtime.database.transaction() as session:
        await _visible(session, evidence_id, claims)
        rows = {row.seq: row for row in await repository.of_item(session, evidence_id)}
        if seq not in rows:
            raise not_found("保管记录", "custody record")
        found = await examine(runtime, session, evidence_id)
        entries = await repository.log_entries(session, [log_ref(rows[seq].id)])
    judged = next(one for one in found.events if one.seq == seq)
    if judged.leaf == "waiting" or judged.index is None:
        raise _not_logged()
    if judged.leaf != "logged":
        raise _altered(seq)
    cosigned = await runtime.log.cosigned_over(judged.index, runtime.custodians())
    text = await runtime.log.proof(judged.index, cosigned)
    async with runtime.database.transaction() as session:
        await _note(runtime, session, evidence_id, claims, "proved", record=str(seq))
    return canonical(
        {
            "schema": PROOF_SCHEMA,
            "document": base64.b64encode(rows[seq].document).decode(),
            "entry": base64.b64encode(entries[log_ref(rows[seq].id)]).decode(),
            "proof": text,
        }
    )


async def verify_proof(runtime: Runtime, evidence_id: str, seq: int, claims: Claims) -> dict[str, Any]:
    """The offline verifier's report on an event's proof. Raises as `proof`; 503 `evidence.trust_missing`."""
    trust = runtime.trust()
    made = await proof(runtime, evidence_id, seq, claims)
    return await asyncio.to_thread(verifier.verify_custody, made, trust)


def _not_logged() -> Problem:
    return Problem(
        "custody.not_logged",
        409,
        zh="该记录尚未登记入存证日志",
        en="the log has not taken this record yet",
        todo_zh="请稍候几秒再试",
        todo_en="wait a few seconds and try again",
    )


def _altered(seq: int) -> Problem:
    return Problem(
        "custody.altered",
        409,
        zh=f"第 {seq} 号保管记录与存证日志不符,不能出具证明",
        en=f"custody record {seq} is not the one the log has: no proof of it can be given",
        todo_zh="请立即通知系统管理员与审计管理员核查,切勿改动任何数据",
        todo_en="tell the system and audit administrators at once and change nothing",
    )
