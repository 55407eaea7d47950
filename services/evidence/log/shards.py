"""The row of logs: each shard has its own origin and its own key; only the last one grows."""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.keys import load_or_create_ed25519
from services.evidence.log import repository
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.log.notes import NoteKey, log_key, parse_vkey
from services.evidence.verification.trust import default_origin


class LogCorruptError(RuntimeError):
    """What is stored contradicts what was signed: nothing may be signed until someone has looked."""


@dataclass(frozen=True)
class ShardKeys:
    """Key files of the shards below `folder`; origin: of the first shard, when one is configured."""

    folder: Path
    origin: str | None = None

    def private(self, number: int) -> Ed25519PrivateKey:
        """A shard's key, made when it is first asked for. Raises ValueError."""
        return load_or_create_ed25519(self.folder / ("log.key" if number == 0 else f"log-{number}.key"))

    def default_origin(self, number: int) -> str:
        """The origin a new shard gets: tied to its key, or the configured one with the shard's number."""
        if self.origin is None:
            return default_origin(self.private(number).public_key())
        return self.origin if number == 0 else f"{self.origin}-{number}"


@dataclass
class Shard:
    """A shard in memory."""

    number: int
    public: NoteKey
    state: str
    tree: MerkleTree = field(default_factory=MerkleTree)

    @property
    def origin(self) -> str:
        """Its name in every checkpoint."""
        return self.public.name


_LOAD = 50_000


async def load_shards(session: AsyncSession, keys: ShardKeys) -> list[Shard]:
    """All shards, without their leaves; the first one is opened when there is none.

    Raises LogCorruptError when the key file of the shard that is written to is not its key.
    """
    rows = await repository.shards(session)
    if not rows:
        first = log_key(keys.default_origin(0), keys.private(0))
        await repository.add_shard(session, 0, first.name, first.vkey)
        rows = await repository.shards(session)
    found = [Shard(row.number, parse_vkey(row.vkey), row.state) for row in rows]
    last = found[-1]
    if last.state == "open" and log_key(last.origin, keys.private(last.number)).vkey != last.public.vkey:
        raise LogCorruptError(f"the key file of {last.origin} holds another key")
    return found


async def load_leaves(session: AsyncSession, shard: Shard) -> None:
    """Add the leaves that are not in the tree yet. Raises repository.MissingLeafError."""
    while True:
        known = shard.tree.size
        entries = await repository.entries(session, shard.number, known, known + _LOAD)
        for entry in entries:
            shard.tree.append(leaf_hash(entry))
        if len(entries) < _LOAD:
            return
