"""Reading the log: its shards in memory, checkpoints and proofs; and whether it still signs."""

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.clock import rfc3339, utc_now
from services.common.database import Database, Transaction
from services.evidence.log import repository
from services.evidence.log.notes import NoteKey, open_checkpoint, parse_body, split_note
from services.evidence.log.problems import log_refuses
from services.evidence.log.proofs import format_consistency, format_proof
from services.evidence.log.publishing import shard_folder
from services.evidence.log.repository import LeafIndex
from services.evidence.log.shards import Shard, ShardKeys, load_leaves
from services.evidence.log.witnesses import Cosigned, Head

log = structlog.get_logger()


class LogReader:
    """Every shard of the log; the last one may grow meanwhile.

    `newest`: the newest checkpoint that is signed and kept; `refusal`: why nothing is signed any more.
    """

    def __init__(self, database: Database, keys: ShardKeys, folder: Path) -> None:
        self.database, self.keys, self.root = database, keys, folder
        self.shards: list[Shard] = []
        # Notes that this process signed and the database keeps, by shard and size: the newest ones.
        self.recent: OrderedDict[tuple[int, int], str] = OrderedDict()
        self.newest: Head | None = None
        self.refusal: dict[str, Any] | None = None
        # Held while leaves are added to the tree.
        self.writing = asyncio.Lock()

    @property
    def shard(self) -> Shard:
        """The shard that is written to."""
        return self.shards[-1]

    @property
    def origin(self) -> str:
        """Origin of the shard that is written to."""
        return self.shard.origin

    @property
    def public(self) -> NoteKey:
        """Its public key."""
        return self.shard.public

    @property
    def key(self) -> Ed25519PrivateKey:
        """Its private key."""
        return self.keys.private(self.shard.number)

    @property
    def folder(self) -> Path:
        """Its published files."""
        return shard_folder(self.root, self.shard.number)

    @property
    def size(self) -> int:
        """Its leaves known to this process."""
        return self.shard.tree.size

    async def refuse(self, code: str, zh: str, en: str, **facts: Any) -> None:
        """Sign nothing from now on, in this and every later process, until the log is reconciled."""
        self.refusal = {"code": code, "zh": zh, "en": en, "at": rfc3339(utc_now()), **facts}
        log.error("log.refuses", **self.refusal)
        async with self.database.transaction() as session:
            await repository.note_refusal(session, self.shard.number, self.refusal)

    def check_refusal(self) -> None:
        """Raise Problem 503 `evidence.log_refuses` when the log signs nothing."""
        if self.refusal is not None:
            raise log_refuses(self.refusal)

    async def head_over(self, index: int) -> Head:
        """The newest checkpoint, which must hold leaf `index`. Raises LookupError."""
        if self.newest is None or self.newest.size <= index:
            self.newest = await self.newest_kept()
        if self.newest is None or self.newest.size <= index:
            raise LookupError(f"leaf {index} has no checkpoint")
        return self.newest

    async def newest_kept(self) -> Head | None:
        """The newest checkpoint in the database."""
        async with self.database.transaction() as session:
            found = await repository.newest_checkpoint(session, self.shard.number)
        return None if found is None else Head(found.shard, found.size, found.note)

    async def checkpoint_over(self, index: int) -> str:
        """The earliest signed checkpoint whose tree holds leaf `index`. Raises LookupError."""
        shard = index.shard if isinstance(index, LeafIndex) else self.shard.number
        async with self.database.transaction() as session:
            found = await repository.first_checkpoint_over(session, shard, index)
        if found is None:
            raise LookupError(f"leaf {index} has no checkpoint")
        return found.note

    async def ensure_loaded(self, size: int) -> None:
        """Have at least `size` leaves of the shard that is written to in memory, when they are there."""
        if self.shard.tree.size < size:
            async with self.writing, self.database.transaction() as session:
                await load_leaves(session, self.shard)

    async def _loaded(self, number: int) -> Shard:
        shard = self.shards[number]
        if shard is not self.shard and shard.tree.size == 0:
            async with self.database.transaction() as session:
                await load_leaves(session, shard)
        return shard

    async def prove(self, number: int, old: int, new: int) -> list[bytes]:
        """Consistency proof between two sizes of a shard. Raises ValueError outside its tree."""
        await self.ensure_loaded(new if number == self.shard.number else 0)
        return (await self._loaded(number)).tree.consistency_proof(old, new)

    async def leaf(self, index: LeafIndex) -> bytes | None:
        """The leaf hash at `index` as its shard's tree holds it; None beyond the tree."""
        if index.shard == self.shard.number:
            await self.ensure_loaded(index + 1)
        tree = (await self._loaded(index.shard)).tree
        return tree.node(0, index) if index < tree.size else None

    async def proof(self, index: int, checkpoint: Cosigned) -> str:
        """The tlog-proof file of leaf `index` under a cosigned checkpoint of its shard."""
        if checkpoint.shard == self.shard.number:
            await self.ensure_loaded(checkpoint.size)
        tree = (await self._loaded(checkpoint.shard)).tree
        return format_proof(index, tree.inclusion_proof(index, checkpoint.size), checkpoint.note)

    async def consistency(self, old: int, cosigned: Cosigned, *, origin: str | None = None) -> bytes:
        """`log.consistency.json` from a beacon's tree (size `old`) to a cosigned checkpoint.

        origin: the beacon's log; when that is another shard, the proof is the empty one of sizes 0.
        """
        if origin is not None and origin != self.shards[cosigned.shard].origin:
            return format_consistency(0, 0, [])
        return format_consistency(old, cosigned.size, await self.prove(cosigned.shard, old, cosigned.size))

    async def find_checkpoint(self, session: Transaction, note: str) -> LeafIndex:
        """The size and shard of a checkpoint this log signed and keeps. Raises NoteError or LookupError."""
        origin = note.partition("\n")[0]
        shard = next((shard for shard in self.shards if shard.origin == origin), None)
        if shard is None:
            raise LookupError("a checkpoint of another log")
        stated = parse_body(split_note(note)[0])
        if self.recent.get((shard.number, stated.size)) == note:
            return LeafIndex(stated.size, shard.number)
        head = open_checkpoint(note, shard.public)
        kept = await repository.checkpoint_note(session, shard.number, head.size)
        if kept is None or (kept != note and open_checkpoint(kept, shard.public) != head):
            raise LookupError("not among this log's checkpoints")
        return LeafIndex(head.size, shard.number)
