"""After the log refused: what the witnesses saw, what is missing here, and the way back.

Lost leaves come from the published bundles and from the custodians' copies of packages. Where these give
exactly the truth, rows are put back and the log goes on. Where leaves stay lost, or two histories exist,
the shard is closed as forked and the next one's first leaf states the loss.
"""

import asyncio
import io
import zipfile
from collections.abc import Sequence
from typing import Any

from services.common.problems import Problem
from services.evidence.custodian import CustodianClient
from services.evidence.log import repository as log_repository
from services.evidence.log import tiles
from services.evidence.log.entries import ref_of
from services.evidence.log.freezing import close_forked
from services.evidence.log.fsck import check_tiles
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.log.notes import Checkpoint, NoteError, open_checkpoint
from services.evidence.log.proofs import parse_proof
from services.evidence.log.service import TransparencyLog
from services.evidence.reconciliations import repository
from services.evidence.reconciliations.rules import (
    Findings,
    Shown,
    agrees,
    find_leaves,
    find_truth,
    grown,
    highest_numbers,
)

_ENTRY, _PROOF = "evidence/log.entry.json", "evidence/log.tlog-proof"
_STEP = 1000


async def inspect(owner: TransparencyLog, custodians: Sequence[CustodianClient]) -> Findings:
    """Look at database, published files and witnesses; nothing is changed."""
    number = owner.shard.number
    async with owner.database.transaction() as session:
        count = await log_repository.leaf_count(session, number)
        rows = {leaf.index: leaf.entry for leaf in await log_repository.leaves(session, number, 0, count)}
        newest = await log_repository.newest_checkpoint(session, number)
    saw = await asyncio.gather(*(_seen(owner, custodian) for custodian in custodians))
    witnessed = [shown for _, shown in saw if shown is not None]
    published, bundles = await asyncio.to_thread(_published, owner)
    empty = Shown("nobody", "", Checkpoint(owner.origin, 0, MerkleTree().root()))
    own = empty
    if newest is not None:
        own = Shown("database", newest.note, open_checkpoint(newest.note, owner.public))
    truth = find_truth(witnessed, published, own, grown(bundles))
    leaves = find_leaves(truth.head, rows, bundles)
    found = Findings(rows, truth, leaves, [described for described, _ in saw])
    for custodian in custodians:
        if found.lost:
            await _from_copies(owner, custodian, found)
    heads = [shown.head for shown in (*witnessed, own, *([published] if published else []))]
    found.contradictions = await _contradictions(owner, found, heads)
    return found


def _published(owner: TransparencyLog) -> tuple[Shown | None, list[bytes | None]]:
    try:
        note = (owner.folder / "checkpoint").read_text("utf-8")
        head = open_checkpoint(note, owner.public)
    except (OSError, ValueError):
        return None, []
    return Shown("published", note, head), tiles.read_entries(owner.folder, 0, head.size, head.size)


async def _seen(owner: TransparencyLog, custodian: CustodianClient) -> tuple[dict[str, Any], Shown | None]:
    """What one witness shows; only a note that our own key signed counts."""
    name = custodian.pinned.name
    described: dict[str, Any] = {"name": name, "size": None, "root": None, "problem": None}
    try:
        note = await custodian.last_seen(owner.origin)
        head = open_checkpoint(note, owner.public) if note else None
    except Problem as problem:
        return described | {"problem": problem.code}, None
    except NoteError as error:
        return described | {"problem": str(error)}, None
    if note is None or head is None:
        return described | {"size": 0}, None
    return described | {"size": head.size, "root": head.root.hex()}, Shown(name, note, head)


async def _copies(custodian: CustodianClient) -> list[dict[str, Any]]:
    """All receipts' payloads of a custodian; what came before it went away."""
    found: list[dict[str, Any]] = []
    while True:
        try:
            some = await custodian.copies(found[-1]["evidence_id"] if found else "")
        except Problem:
            return found
        if not some:
            return found
        found += some


async def _from_copies(owner: TransparencyLog, custodian: CustodianClient, found: Findings) -> None:
    """Entries of lost leaves out of the packages a custodian keeps (small ones: at most 16 MiB)."""
    lost = set(found.lost)
    for copy in await _copies(custodian):
        if copy["log_index"] in lost:
            data = await custodian.package(copy["evidence_id"])
            placed = None if data is None else _entry_in(owner, data)
            if placed is not None and placed[0] in lost:
                found.leaves[placed[0]] = placed[1]


def _entry_in(owner: TransparencyLog, data: bytes) -> tuple[int, bytes] | None:
    """Leaf index and entry in a package of the shard at hand."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            index, _, note = parse_proof(package.read(_PROOF).decode())
            entry = package.read(_ENTRY)
    except (zipfile.BadZipFile, KeyError, ValueError):
        return None
    return (index, entry) if note.partition("\n")[0] == owner.origin else None


async def _contradictions(owner: TransparencyLog, found: Findings, heads: Sequence[Checkpoint]) -> list[int]:
    """Sizes at which this log signed something else than the truth: kept here, or shown by others."""
    tree = grown(found.best())
    wrong = {head.size for head in heads if head.size <= tree.size and not agrees(tree, head)}
    after = -1
    while True:
        async with owner.database.transaction() as session:
            batch = await log_repository.checkpoints(session, owner.shard.number, after, _STEP)
        if not batch:
            return sorted(wrong)
        after = batch[-1].size
        for row in batch:
            try:
                head = open_checkpoint(row.note, owner.public)
            except NoteError:
                # Never signed by this log: fsck names it; it says nothing about what the log signed.
                continue
            if head.size <= tree.size and not agrees(tree, head):
                wrong.add(head.size)


async def reconcile(
    owner: TransparencyLog, custodians: Sequence[CustodianClient], *, accept_loss: bool, reason: str
) -> dict[str, Any]:
    """Put the log in order. Gives the report with `done`: nothing, recovered, closed, not_recoverable.

    accept_loss: close the shard as forked and open the next one where the leaves cannot be recovered.
    """
    found = await inspect(owner, custodians)
    report = found.report(owner.refusal)
    if found.whole and not found.missing and not found.changed and owner.refusal is None:
        return {**report, "done": "nothing"}
    if not found.whole and not accept_loss:
        return {**report, "done": "not_recoverable"}
    stated = [str(copy["evidence_no"]) for custodian in custodians for copy in await _copies(custodian)]
    await _keep_numbers(owner, found, stated)
    if found.whole:
        await _recover(owner, found)
        return {**report, "done": "recovered", "size": owner.size, "still_refused": owner.refusal}
    facts = {
        "lost": [found.lost[0], found.lost[-1] + 1] if found.lost else [],
        "reason": reason,
        "witnessed_root": found.truth.head.root.hex(),
        "witnessed_size": found.truth.head.size,
    }
    closed = await close_forked(owner, facts, keep=await _cosigned_size(owner, found))
    return {**report, "done": "closed", **closed}


async def _keep_numbers(owner: TransparencyLog, found: Findings, stated: Sequence[str]) -> None:
    """Numbers of lost items are never given to others."""
    known = [leaf for leaf in found.best() if leaf is not None]
    async with owner.database.transaction() as session:
        for (region, year), highest in highest_numbers(known, stated).items():
            await repository.raise_counter(session, region, year, highest)


async def _cosigned_size(owner: TransparencyLog, found: Findings) -> int:
    """Leaves that stay in a shard closed as forked: those under the newest cosigned checkpoint kept here."""
    tree = grown(found.rows.get(index) for index in range(found.size))
    async with owner.database.transaction() as session:
        kept = await log_repository.newest_cosigned(session, owner.shard.number)
    if kept is None or kept.cosigned is None:
        return 0
    head = open_checkpoint(kept.cosigned, owner.public)
    return head.size if agrees(tree, head) else 0


async def _recover(owner: TransparencyLog, found: Findings) -> None:
    number, size = owner.shard.number, found.truth.head.size
    async with owner.writing:
        async with owner.database.transaction() as session:
            await log_repository.lock_writer(session)
            leaves = {index: leaf for index, leaf in enumerate(found.leaves) if leaf is not None}
            for index in found.changed:
                await log_repository.correct_leaf(session, number, index, leaves[index])
            for index in found.missing:
                entry = leaves[index]
                await log_repository.restore_leaf(session, number, index, ref_of(entry, number, index), entry)
            if size and await log_repository.checkpoint(session, number, size) is None:
                await log_repository.add_checkpoint(session, number, size, found.truth.note)
            await log_repository.note_refusal(session, number, None)
        await asyncio.to_thread(_drop_wrong_files, owner, grown(found.best()))
        await owner.reopen()
    owner.wake()


def _drop_wrong_files(owner: TransparencyLog, tree: MerkleTree) -> None:
    """Published files that are not of this tree go, and are published again."""
    for code, path in check_tiles(tree, owner.folder, tree.size):
        if code == "tile.differs":
            (owner.folder / "tile" / path).unlink()
    for start in range(0, tree.size, tiles.WIDTH):
        end = min(start + tiles.WIDTH, tree.size)
        shown = tiles.read_entries(owner.folder, start, end, tree.size)
        if any(e is not None and leaf_hash(e) != tree.node(0, start + i) for i, e in enumerate(shown)):
            path = tiles.tile_path("entries", start // tiles.WIDTH, end - start)
            (owner.folder / "tile" / path).unlink(missing_ok=True)
    (owner.folder / "checkpoint").unlink(missing_ok=True)
