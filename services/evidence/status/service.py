"""Asking everything that sealing rests on how it is."""

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.common.clock import rfc3339, utc_now
from services.common.problems import Problem
from services.evidence.custodian import CustodianClient
from services.evidence.log.notes import NoteError, parse_body
from services.evidence.renewals.service import Renewer
from services.evidence.runtime import Runtime
from services.evidence.status import repository, rules
from services.evidence.status.rules import Waiting, Witness
from services.evidence.status.schemas import EvidenceStatus, Part
from services.evidence.sweeps import service as sweeps

LOW_SPACE_BYTES = 256 << 20
_PATIENCE_SECONDS = 2.0
# Enough to say that many are due; the renewal itself takes all.
_COUNTED = 1000
_NONE = Waiting(0, None)


async def status(runtime: Runtime, store_report: Mapping[str, Any]) -> EvidenceStatus:
    """The state of sealing now. store_report: what the start-up probe of the store found."""
    now = utc_now()
    async with runtime.database.transaction() as session:
        backlog = await repository.backlog(session)
        swept = await sweeps.summary(session)
    parts = [
        rules.unstamped(backlog.get("signed", _NONE), now),
        rules.queue("unwitnessed", backlog.get("stamped", _NONE), now),
        rules.queue("unreplicated", backlog.get("logged", _NONE), now),
        _authorities(runtime),
        rules.log(runtime.log.size, runtime.log.origin, runtime.log.failure, runtime.log.refusal),
        await _custodians(runtime),
        rules.store({**store_report, **free_space(runtime)}, low=free_space(runtime)["low"]),
        rules.sweep(swept, now),
        await _renewal(runtime, now),
    ]
    return EvidenceStatus(status=rules.worst(parts), checked_at=rfc3339(now), parts=parts)


def free_space(runtime: Runtime) -> dict[str, Any]:
    """Room left where objects (or their spool) lie: {free_bytes, low}."""
    where = os.statvfs(runtime.store.root)
    free = where.f_bavail * where.f_frsize
    return {"free_bytes": free, "low": free < LOW_SPACE_BYTES}


def _missing(name: str, problem: Problem) -> Part:
    return rules.part(name, "bad", problem.zh, problem.en, {"reason": problem.code})


def _authorities(runtime: Runtime) -> Part:
    try:
        return rules.authorities(runtime.stamps().states(), runtime.own.tsa_quorum)
    except Problem as problem:
        return _missing("authorities", problem)


async def _renewal(runtime: Runtime, now: datetime) -> Part:
    days = runtime.own.renew_days
    try:
        due = await Renewer.of(runtime).due(days, limit=_COUNTED)
    except Problem as problem:
        return _missing("renewal", problem)
    overdue = sum(one.until is not None and one.until <= now for one in due)
    return rules.renewal(overdue, len(due) - overdue, days)


async def _custodians(runtime: Runtime) -> Part:
    try:
        clients, quorum = runtime.custodians(), runtime.custodian_quorum
    except Problem as problem:
        return _missing("custodians", problem)
    found = await asyncio.gather(*(_witness(client, runtime.log.origin) for client in clients))
    return rules.custodians(found, quorum, runtime.log.size)


async def _witness(client: CustodianClient, origin: str) -> Witness:
    pinned = client.pinned
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            note = await client.last_seen(origin)
        size = None if note is None else parse_body(note.rpartition("\n\n")[0] + "\n").size
    except (Problem, NoteError, TimeoutError):
        return Witness(pinned.name, pinned.operator, pinned.development, answers=False, size=None)
    return Witness(pinned.name, pinned.operator, pinned.development, answers=True, size=size)
