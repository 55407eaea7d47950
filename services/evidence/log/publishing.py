"""Publishing a shard's tiles and checkpoint as files, beside the writing: nobody waits for it.

The files follow the database and can be rebuilt from it; a checkpoint file is written after its tiles.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from services.evidence.log import tiles
from services.evidence.log.merkle import MerkleTree
from services.evidence.log.notes import Checkpoint, NoteKey, open_checkpoint
from services.evidence.log.shards import Shard
from services.evidence.log.witnesses import Head

log = structlog.get_logger()

# Several batches share one set of tiles: each set is a handful of synced files.
_PAUSE = 0.2
_AGAIN = 1.0
_STEP = 50_000

# Gives the raw entries of leaves start … end-1 of the shard.
ReadEntries = Callable[[int, int], Awaitable[list[bytes]]]


def shard_folder(root: Path, number: int) -> Path:
    """Where a shard's files lie: the first one's directly in `root`, so that its address never changes."""
    return root if number == 0 else root / "shard" / str(number)


def write_list(root: Path, shards: Sequence[Shard]) -> None:
    """Publish `logs.json`: origin, public key and state of every shard, for trust files and monitors."""
    listed = [{"origin": item.origin, "state": item.state, "vkey": item.public.vkey} for item in shards]
    data = json.dumps({"logs": listed, "v": 1}, ensure_ascii=False, indent=1).encode()
    file = root / "logs.json"
    if not file.exists() or file.read_bytes() != data:
        tiles.write_synced(file, data)


def read_published(folder: Path, key: NoteKey) -> Checkpoint | None:
    """The checkpoint last published in a folder, if any. Raises ValueError when it is not the key's."""
    file = folder / "checkpoint"
    if not file.exists():
        return None
    return open_checkpoint(file.read_bytes().decode("utf-8"), key)


class Publisher:
    """Publishes one shard. `failure`: why the last attempt failed, if it did."""

    def __init__(self, folder: Path, tree: MerkleTree, read: ReadEntries) -> None:
        self.folder, self._tree, self._read = folder, tree, read
        self.size, self.failure = 0, ""
        self._shown = b""
        self._newest: Head | None = None
        self._wake, self._turn = asyncio.Event(), asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self, published: Checkpoint | None) -> None:
        """Begin; published: what an earlier run left, when it is a checkpoint of this tree."""
        if published is not None:
            self.size = published.size
            self._shown = (self.folder / "checkpoint").read_bytes()
        self._task = asyncio.create_task(self._run(), name="log-publisher")

    async def stop(self) -> None:
        """Stop; what is missing is published at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def show(self, newest: Head) -> None:
        """Say that there is a newer checkpoint."""
        self._newest = newest
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_PAUSE)  # what comes meanwhile is published with it
            self._wake.clear()
            try:
                await self.flush()
                self.failure = ""
            except Exception as error:
                self.failure = type(error).__name__
                log.error("log.publish_failed", exc_info=error)
                await asyncio.sleep(_AGAIN)
                self._wake.set()

    async def flush(self) -> None:
        """Publish up to the newest checkpoint now. Raises OSError."""
        async with self._turn:
            newest = self._newest
            if newest is None or newest.size > self._tree.size:
                return
            while self.size < newest.size:
                await self._publish_to(min(newest.size, self.size + _STEP))
            note = newest.note.encode()
            if note != self._shown:
                await asyncio.to_thread(tiles.write_synced, self.folder / "checkpoint", note)
                self._shown = note

    async def _publish_to(self, new: int) -> None:
        old = self.size
        first = old - old % tiles.WIDTH
        entries = await self._read(first, new)
        # Made here, where the tree does not change meanwhile; only the disk waits in a thread.
        made = list(
            tiles.all_tiles(self._tree, lambda start, end: entries[start - first : end - first], old, new)
        )
        await asyncio.to_thread(tiles.publish, self.folder, made)
        self.size = new
