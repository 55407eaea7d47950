"""Taking artefacts: hashed again while they arrive, stored by their hash, never replaced."""

from collections.abc import AsyncIterator

from services.common.database import Database
from services.common.problems import Problem, not_found
from services.evidence.intakes import repository
from services.evidence.intakes.models import Artefact
from services.evidence.intakes.rules import (
    check_digests,
    check_path,
    conflict,
    digest_mismatch,
    media_type,
)
from services.evidence.intakes.schemas import ArtefactTaken
from services.evidence.objects.store import ObjectStore


async def take_artefact(
    database: Database,
    store: ObjectStore,
    evidence_id: str,
    path: str,
    *,
    content_type: str,
    sha256: str,
    sm3: str,
    chunks: AsyncIterator[bytes],
    limit: int,
) -> ArtefactTaken:
    """Store one artefact of an order; repeating it gives the same answer.

    Raises Problem 404 without order, 409 `intake.conflict` or `intake.closed`, 413, 422 for a bad path or
    digests that do not fit, 507 `evidence.store_full` with nothing half-written.
    """
    check_path(path)
    check_digests(sha256, sm3)
    async with database.transaction() as session:
        if not await repository.order_exists(session, evidence_id):
            raise not_found("采集任务", "order")
        known = await repository.find(session, evidence_id, path)
        closed = await repository.is_closed(session, evidence_id)
    if closed and known is None:
        raise _closed()
    with await store.receive(chunks, limit) as arrival:
        stored = arrival.stored
        if (stored.sha256, stored.sm3) != (sha256, sm3):
            raise digest_mismatch(path)
        if known is not None:
            return _answer(_same(known, sha256))
        await arrival.keep()
        stored = arrival.stored
    async with database.transaction() as session:
        if not await repository.add(session, evidence_id, path, media_type(content_type), stored):
            _same(await repository.find(session, evidence_id, path), sha256)
    return ArtefactTaken(path=path, bytes=stored.bytes, sha256=stored.sha256, sm3=stored.sm3)


def _same(known: Artefact | None, sha256: str) -> Artefact:
    if known is None or known.sha256 != sha256:
        raise conflict(known.path if known else "")
    return known


def _answer(known: Artefact) -> ArtefactTaken:
    return ArtefactTaken(path=known.path, bytes=known.bytes, sha256=known.sha256, sm3=known.sm3)


def _closed() -> Problem:
    return Problem(
        "intake.closed",
        409,
        zh="证据清单已签名,不能再添加文件",
        en="the manifest is signed; nothing can be added",
    )
