"""Giving out copies that say less: each is an export on record before its first byte leaves."""

import asyncio
import zipfile
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, cast

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.identity import Claims
from services.common.problems import not_found
from services.evidence.custody import service as custody
from services.evidence.disclosures import rules
from services.evidence.intakes import repository as intakes
from services.evidence.items.models import EvidenceItem
from services.evidence.items.rules import predicate_of
from services.evidence.items.service import sealed_parts, stream_parts, visible_item
from services.evidence.package.layout import Member, Part, total_bytes
from services.evidence.package.reader import PackageReader
from services.evidence.package.wacz import ENTRY, PROOF
from services.evidence.runtime import Runtime

_DESCRIPTORS = {"datapackage.json", "datapackage-digest.json"}


@dataclass(frozen=True)
class Copy:
    """A copy to be sent."""

    name: str
    size: int
    stream: AsyncIterator[bytes]


async def redaction(
    runtime: Runtime, evidence_id: str, paths: list[str], claims: Claims, reason: str
) -> Copy:
    """The package without these artefacts.

    Raises Problem 404, 409 `evidence.not_sealed`, 422 `evidence.reason_missing` or
    `evidence.redaction_unknown`.
    """
    reason = custody.required_reason(reason)
    async with runtime.database.transaction() as session:
        item = await visible_item(session, evidence_id, claims)
        sealed = await sealed_parts(runtime, item)
        members = await _members(session, evidence_id)
        proofs = await asyncio.to_thread(_proofs, runtime, sealed, {member.path for member in members})
        parts = rules.redact(predicate_of(item.envelope), members, proofs, paths)
        await _note(session, item, claims, reason, "redacted", removed=" ".join(sorted(set(paths))))
    runtime.log.wake(urgent=False)
    return _copy(runtime, f"{item.evidence_no}-redacted.wacz", parts)


async def disclosure(runtime: Runtime, evidence_id: str, path: str, claims: Claims, reason: str) -> Copy:
    """One artefact with its proof, as a ZIP of two files. Raises Problem 404, 409, 422 as `redaction`."""
    reason = custody.required_reason(reason)
    async with runtime.database.transaction() as session:
        item = await visible_item(session, evidence_id, claims)
        sealed = await sealed_parts(runtime, item)
        found = {member.path: member for member in await _members(session, evidence_id)}
        if path not in found:
            raise not_found("证据文件", "artefact")
        proofs = await asyncio.to_thread(_proofs, runtime, sealed, set(found))
        document = rules.disclosure(predicate_of(item.envelope), path, proofs[ENTRY], proofs[PROOF].decode())
        await _note(session, item, claims, reason, "disclosed", path=path)
    runtime.log.wake(urgent=False)
    return _copy(runtime, f"{item.evidence_no}-disclosure.zip", rules.bundle(document, found[path]))


async def _members(session: AsyncSession, evidence_id: str) -> list[Member]:
    rows = await intakes.of_item(session, evidence_id)
    return [Member(row.path, row.bytes, row.crc32, row.sha256) for row in rows]


def _proofs(runtime: Runtime, parts: list[Part], artefacts: set[str]) -> dict[str, bytes]:
    """Every file of a sealed package that is neither an artefact nor a descriptor, by path."""
    with (
        closing(PackageReader(parts, runtime.store.open)) as reader,
        zipfile.ZipFile(cast(BinaryIO, reader)) as package,
    ):
        names = [name for name in package.namelist() if name not in artefacts | _DESCRIPTORS]
        return {name: package.read(name) for name in names}


async def _note(
    session: AsyncSession, item: EvidenceItem, claims: Claims, reason: str, event: str, **about: str
) -> None:
    happened = custody.Happened(event, custody.actor_of(claims), reason, about)
    await custody.record(session, item.id, happened)


def _copy(runtime: Runtime, name: str, parts: list[Part]) -> Copy:
    return Copy(name, total_bytes(parts), stream_parts(runtime, parts))
