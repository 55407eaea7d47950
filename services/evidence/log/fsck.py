"""Checking the whole log against itself: entries, checkpoints, tiles on disk."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.common.database import Database
from services.evidence.log import repository, tiles
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.log.notes import NoteError, NoteKey, open_checkpoint

_STEP = 10_000


@dataclass(frozen=True)
class Finding:
    """Something wrong. code: `entry.gap`, `checkpoint.signature`, `checkpoint.root`, `checkpoint.beyond`,
    `tile.missing`, `tile.differs`, `checkpoint.file`."""

    code: str
    where: str


async def fsck(database: Database, key: NoteKey, folder: Path) -> list[Finding]:
    """Rebuild the tree from the database and compare every checkpoint and tile; empty when all agree."""
    tree, entries = MerkleTree(), []
    findings: list[Finding] = []
    async with database.transaction() as session:
        try:
            while found := await repository.entries(session, tree.size, tree.size + _STEP):
                for entry in found:
                    tree.append(leaf_hash(entry))
                entries.extend(found)
        except repository.MissingLeafError as missing:
            return [Finding("entry.gap", f"leaf {missing.index}")]
        size, after = 0, -1
        while batch := await repository.checkpoints(session, after, _STEP):
            after = batch[-1].size
            for item in batch:
                findings += _check_note(item.cosigned or item.note, key, tree, item.size)
                size = min(item.size, tree.size)
    findings += _check_tiles(tiles.all_tiles(tree, lambda a, b: entries[a:b], 0, size), folder)
    return findings + _check_file(folder / "checkpoint", key, tree)


def _check_note(note: str, key: NoteKey, tree: MerkleTree, size: int) -> list[Finding]:
    try:
        head = open_checkpoint(note, key)
    except NoteError:
        return [Finding("checkpoint.signature", f"size {size}")]
    if head.size != size or head.size > tree.size:
        return [Finding("checkpoint.beyond", f"size {size}")]
    return [] if tree.root(size) == head.root else [Finding("checkpoint.root", f"size {size}")]


def _check_tiles(expected: Iterable[tuple[str, bytes]], folder: Path) -> Iterable[Finding]:
    for path, data in expected:
        file = folder / "tile" / path
        if not file.is_file():
            yield Finding("tile.missing", path)
        elif file.read_bytes() != data:
            yield Finding("tile.differs", path)


def _check_file(file: Path, key: NoteKey, tree: MerkleTree) -> list[Finding]:
    if tree.size == 0 and not file.exists():
        return []
    try:
        head = open_checkpoint(file.read_text("utf-8"), key)
    except (OSError, ValueError):
        return [Finding("checkpoint.file", "checkpoint")]
    fits = head.size <= tree.size and tree.root(head.size) == head.root
    return [] if fits else [Finding("checkpoint.file", "checkpoint")]
