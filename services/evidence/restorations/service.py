"""Putting back what the store lost: a custodian's copy is fetched, verified, and taken apart."""

import asyncio
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

import structlog

from services.common.problems import Problem, not_found
from services.evidence.custody import service as custody
from services.evidence.custody.rules import Actor
from services.evidence.intakes import repository as intakes
from services.evidence.items import repository as items
from services.evidence.items.models import EvidenceItem
from services.evidence.objects.store import ObjectStore
from services.evidence.package.layout import dump_layout
from services.evidence.renewals import repository as renewals
from services.evidence.restorations import repository
from services.evidence.restorations.rules import laid_out
from services.evidence.runtime import Runtime
from services.evidence.verification import verifier

log = structlog.get_logger()


@dataclass(frozen=True)
class Restored:
    """What was done: from whose copy, which objects were put back, how many were good and left alone."""

    evidence_id: str
    custodian: str
    objects: tuple[str, ...]
    good: int


async def restore(runtime: Runtime, given: str, actor: Actor, reason: str) -> Restored:
    """Put back the missing and damaged objects of an item, given by id or number; good ones are left alone.

    What was put back goes on record. Raises Problem 404, 409 `evidence.not_sealed`, 502
    `evidence.no_good_copy` when no custodian gives the package as it was sealed, 503, 507.
    """
    async with runtime.database.transaction() as session:
        evidence_id = await repository.by_number(session, given)
        item = await items.load(session, evidence_id) if evidence_id else None
        if item is None:
            raise not_found("证据", "evidence item")
        paths = {row.path: row.sha256 for row in await intakes.of_item(session, item.id)}
        renewed = await renewals.find(session, item.id)
    if item.stage != "sealed" or item.layout_sha256 is None:
        raise _not_sealed()
    with tempfile.TemporaryFile(dir=runtime.store.root / "tmp") as package:
        name = await _fetch(runtime, item, package, renewed.record if renewed else None)
        done = await asyncio.to_thread(_put_back, runtime.store, package, paths, item.layout_sha256)
    put_back = tuple(sha256 for sha256, fresh in done if fresh)
    restored = Restored(item.id, name, put_back, len(done) - len(put_back))
    if restored.objects:
        about = {"custodian": name, "objects": str(len(restored.objects))}
        async with runtime.database.transaction() as session:
            await custody.record(session, item.id, custody.Happened("restored", actor, reason, about))
        log.warning("evidence.restored", evidence_id=item.id, custodian=name, objects=restored.objects)
    return restored


async def _fetch(runtime: Runtime, item: EvidenceItem, package: IO[bytes], record: bytes | None) -> str:
    """The package as it was sealed, from the first custodian who has it so; gives his name.

    record: the evidence record that renews its proof of time, where there is one.
    """
    trust, refusals = runtime.trust(), []
    for custodian in runtime.custodians():
        package.seek(0)
        package.truncate()
        name = custodian.pinned.name
        try:
            found = await custodian.fetch(item.id, package.write)
        except Problem as problem:
            refusals.append(f"{name}: {problem.en}")
            continue
        if not found:
            refusals.append(f"{name}: no copy")
            continue
        copy = cast(BinaryIO, package)
        fault = await asyncio.to_thread(_fault, copy, str(item.package_sha256), trust, record)
        if fault is None:
            return name
        refusals.append(f"{name}: {fault}")
        log.error("restore.copy_refused", evidence_id=item.id, custodian=name, fault=fault)
    raise _no_good_copy(refusals)


def _fault(package: BinaryIO, sha256: str, trust: dict[str, Any], record: bytes | None) -> str | None:
    """Why this copy is not the package that was sealed; None when it is."""
    package.seek(0)
    digest = hashlib.sha256()
    while block := package.read(1 << 20):
        digest.update(block)
    if digest.hexdigest() != sha256:
        return "not the bytes that were sealed"
    package.seek(0)
    verdict = verifier.verify(package, trust, record=record)["verdict"]
    return None if verdict == "VALID" else f"the verifier says {verdict}"


def _put_back(
    store: ObjectStore, package: IO[bytes], paths: dict[str, str], layout_sha256: str
) -> Sequence[tuple[str, bool]]:
    """Every object of the item with whether it had to be put back. Raises Problem 507, 503, 500."""
    done, source = [], cast(BinaryIO, package)
    with zipfile.ZipFile(source) as archive:
        for path, sha256 in sorted(paths.items()):
            with archive.open(path) as member:
                done.append((sha256, store.put_back(sha256, cast(BinaryIO, member))))
    layout = dump_layout(laid_out(source, paths))
    done.append((layout_sha256, store.put_back(layout_sha256, io.BytesIO(layout))))
    return done


def _not_sealed() -> Problem:
    return Problem(
        "evidence.not_sealed",
        409,
        zh="该证据尚未完成固证,没有可供恢复的副本",
        en="this item is not sealed yet: there is no copy to restore from",
    )


def _no_good_copy(refusals: Sequence[str]) -> Problem:
    return Problem(
        "evidence.no_good_copy",
        502,
        zh="没有任何第三方能提供与固证时一致的证据包",
        en="no custodian gives the package as it was sealed: " + "; ".join(refusals),
        todo_zh="请确认第三方存证服务可用;切勿删除任何数据",
        todo_en="see that the custodians can be reached; delete nothing",
    )
