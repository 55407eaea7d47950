"""Checking a log against itself: entries, checkpoints, cosignatures, tiles, checkpoint file.

Two ways, and each says which it was: with the database (everything is rebuilt from the entries there and
compared with all that was signed and published), and with nothing but the published folder (the auditor's:
from the entries in the tiles up to the signed checkpoint).
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.common.database import Database
from services.evidence.log import repository, tiles
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.log.notes import (
    Checkpoint,
    NoteError,
    NoteKey,
    open_checkpoint,
    parse_body,
    split_note,
    verify_line,
)
from services.evidence.log.publishing import shard_folder
from services.evidence.log.shards import Shard

# A multiple of the tile width, so that each step compares whole bundles.
_STEP = 40 * tiles.WIDTH
_SIGNED_STEP = 500
_SHOWN = 20


@dataclass(frozen=True)
class Finding:
    """Something wrong. `where`: leaf, size or file; `entry`: the entry as published, where one is known.

    code: `entry.gap`, `entry.differs`, `checkpoint.signature`, `checkpoint.root`,
    `checkpoint.beyond`, `checkpoint.cosignature`, `checkpoint.missing`, `checkpoint.file`,
    `checkpoint.stale`, `tile.missing`, `tile.differs`.
    """

    code: str
    where: str
    shard: int = 0
    entry: bytes | None = None


@dataclass(frozen=True)
class Progress:
    """How far a check has come: `done` of `total` leaves or checkpoints of a shard."""

    shard: int
    what: str
    done: int
    total: int


Step = Finding | Progress


async def fsck(
    database: Database, shards: Sequence[Shard], root: Path, witnesses: Sequence[NoteKey] = ()
) -> list[Finding]:
    """All findings of `check`; empty when everything agrees."""
    return [step async for step in check(database, shards, root, witnesses) if isinstance(step, Finding)]


async def check(
    database: Database, shards: Sequence[Shard], root: Path, witnesses: Sequence[NoteKey] = ()
) -> AsyncIterator[Step]:
    """Rebuild every shard from the database and compare all that was signed and published."""
    for shard in shards:
        async for step in _Check(database, shard, shard_folder(root, shard.number), witnesses).run():
            yield step


class _Check:
    """One shard."""

    def __init__(self, database: Database, shard: Shard, folder: Path, witnesses: Sequence[NoteKey]) -> None:
        self._database, self._shard, self._folder = database, shard, folder
        self._keys = {(key.name, key.key_id): key for key in witnesses}
        self._tree = MerkleTree()

    def _found(self, code: str, where: str, entry: bytes | None = None) -> Finding:
        return Finding(code, where, self._shard.number, entry)

    def _published(self) -> Checkpoint | None:
        try:
            note = (self._folder / "checkpoint").read_text("utf-8")
            return open_checkpoint(note, self._shard.public)
        except (OSError, ValueError):
            return None

    async def run(self) -> AsyncIterator[Step]:
        # The log may grow meanwhile: what is published first, for it follows the database; then one snapshot.
        published = await asyncio.to_thread(self._published)
        async with self._database.transaction() as session:
            await repository.one_snapshot(session)
            total = await repository.leaf_count(session, self._shard.number)
            newest = await repository.newest_checkpoint(session, self._shard.number)
        known = published.size if published else 0
        # What was published must be in the rows too, also when the last of them were removed.
        total = max(total, known)
        while self._tree.size < total:
            before = self._tree.size
            findings = await self._entries(min(total, before + _STEP), known)
            for finding in findings:
                yield finding
            yield Progress(self._shard.number, "entries", self._tree.size, total)
            if self._tree.size == before:
                return
        async for step in self._checkpoints(newest.size if newest else 0):
            yield step
        for finding in await asyncio.to_thread(lambda: list(self._files(published, newest is not None))):
            yield finding
        again = await asyncio.to_thread(self._published)
        if newest is not None and published is not None and again is not None and again.size < newest.size:
            yield self._found("checkpoint.stale", f"published {again.size}, signed {newest.size}")

    async def _entries(self, end: int, known: int) -> list[Finding]:
        """The next leaves: rows against published bundles, which also name what is missing among the rows."""
        start, number = self._tree.size, self._shard.number
        async with self._database.transaction() as session:
            rows = {leaf.index: leaf.entry for leaf in await repository.leaves(session, number, start, end)}
        shown = await asyncio.to_thread(
            tiles.read_entries, self._folder, start, min(end, max(known, start)), known
        )
        findings: list[Finding] = []
        for index in range(start, end):
            row = rows.get(index)
            entry = shown[index - start] if index - start < len(shown) else None
            if row is None:
                findings.append(self._found("entry.gap", f"leaf {index}", entry))
            elif entry is not None and entry != row:
                findings.append(self._found("entry.differs", f"leaf {index}", entry))
            kept = row if row is not None else entry
            if kept is None:
                break
            self._tree.append(leaf_hash(kept))
        return findings

    async def _checkpoints(self, total: int) -> AsyncIterator[Step]:
        size, after, wrong_roots = 0, -1, 0
        while True:
            async with self._database.transaction() as session:
                batch = await repository.checkpoints(session, self._shard.number, after, _SIGNED_STEP)
            batch = [row for row in batch if row.size <= total]
            if not batch:
                break
            for row in batch:
                for finding in self._note(row.cosigned or row.note, row.size):
                    wrong_roots += finding.code == "checkpoint.root"
                    if finding.code != "checkpoint.root" or wrong_roots <= _SHOWN:
                        yield finding
            size = after = batch[-1].size
            yield Progress(self._shard.number, "checkpoints", size, total)
        if size < self._tree.size:
            unsigned = f"leaves {size} to {self._tree.size - 1} were never signed"
            yield self._found("checkpoint.missing", unsigned)

    def _note(self, note: str, size: int) -> Iterator[Finding]:
        try:
            head = open_checkpoint(note, self._shard.public)
        except NoteError:
            yield self._found("checkpoint.signature", f"size {size}")
            return
        if head.size != size or head.size > self._tree.size:
            yield self._found("checkpoint.beyond", f"size {size}")
        elif self._tree.root(size) != head.root:
            yield self._found("checkpoint.root", f"size {size}")
        body, lines = split_note(note)
        for name, blob in lines:
            key = self._keys.get((name, blob[:4]))
            try:
                if key is not None:
                    verify_line(body, key, blob)
            except NoteError:
                yield self._found("checkpoint.cosignature", f"size {size}, {name}")

    def _files(self, published: Checkpoint | None, expected: bool) -> Iterator[Finding]:
        if published is None:
            if expected or (self._folder / "checkpoint").exists():
                yield self._found("checkpoint.file", "checkpoint")
            return
        if published.size > self._tree.size or self._tree.root(published.size) != published.root:
            yield self._found("checkpoint.file", f"checkpoint of size {published.size}")
        for code, path in check_tiles(self._tree, self._folder, min(published.size, self._tree.size)):
            yield self._found(code, path)


def check_tiles(tree: MerkleTree, folder: Path, size: int) -> Iterator[tuple[str, str]]:
    """(code, path) for each tile of the tree's first `size` leaves that is missing or differs."""
    for path, data in tiles.hash_tiles(tree, 0, size):
        file = folder / "tile" / path
        if not file.is_file():
            yield "tile.missing", path
        elif file.read_bytes() != data:
            yield "tile.differs", path
    for index in range((size + tiles.WIDTH - 1) // tiles.WIDTH):
        width = min(tiles.WIDTH, size - index * tiles.WIDTH)
        path = tiles.tile_path("entries", index, width)
        try:
            if len(tiles.parse_bundle((folder / "tile" / path).read_bytes())) != width:
                yield "tile.differs", path
        except FileNotFoundError:
            yield "tile.missing", path
        except ValueError:
            yield "tile.differs", path


def check_folder(folder: Path, key: NoteKey | None, witnesses: Iterable[NoteKey] = ()) -> Iterator[Step]:
    """The auditor's way: published entries → tree → tiles → checkpoint. No database, no network.

    key: the log's; without it the checkpoint's signature is not checked. Raises OSError and NoteError when
    there is no checkpoint to start from.
    """
    note = (folder / "checkpoint").read_text("utf-8")
    body, lines = split_note(note)
    head = parse_body(body) if key is None else open_checkpoint(note, key)
    keys = {(item.name, item.key_id): item for item in witnesses}
    for name, blob in lines:
        try:
            if (name, blob[:4]) in keys:
                verify_line(body, keys[name, blob[:4]], blob)
        except NoteError:
            yield Finding("checkpoint.cosignature", name)
    tree = MerkleTree()
    while tree.size < head.size:
        end = min(head.size, tree.size + _STEP)
        for entry in tiles.read_entries(folder, tree.size, end, head.size):
            if entry is None:
                yield Finding("tile.missing", f"the bundle of leaf {tree.size}")
                return
            tree.append(leaf_hash(entry))
        yield Progress(0, "entries", tree.size, head.size)
    for code, path in check_tiles(tree, folder, head.size):
        yield Finding(code, path)
    if tree.root() != head.root:
        yield Finding("checkpoint.root", f"size {head.size}")
