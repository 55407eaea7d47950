"""Closing a shard and opening the next one: frozen in order, or closed because its history was contradicted.

A frozen shard's last leaf names the next shard's origin and key, so whoever trusts the old log can trust the
new one; the new shard's first leaf names the old one's final size and root. Proofs of old items stay valid:
their log keeps its key in every trust file, and nothing in it changes any more.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.canonical import canonical
from services.common.problems import Problem
from services.evidence.custodian import CustodianClient
from services.evidence.log import repository
from services.evidence.log.merkle import MerkleTree, leaf_hash
from services.evidence.log.notes import Checkpoint, NoteKey, log_key, sign_checkpoint
from services.evidence.log.service import TransparencyLog
from services.evidence.log.shards import load_leaves
from services.evidence.log.witnesses import Head

log = structlog.get_logger()


def freeze_entry(next_key: NoteKey, reason: str) -> bytes:
    """The last leaf of a frozen shard."""
    document = {"kind": "freeze", "next_origin": next_key.name, "next_vkey": next_key.vkey, "reason": reason}
    return canonical({**document, "v": 1})


def opening_entry(before: Checkpoint, state: str, facts: dict[str, Any]) -> bytes:
    """The first leaf of a later shard: the one before it, its final size and root, how it ended."""
    return canonical(
        {
            "kind": "shard",
            "previous_origin": before.origin,
            "previous_root": before.root.hex(),
            "previous_size": before.size,
            "state": state,
            **facts,
            "v": 1,
        }
    )


async def freeze(
    owner: TransparencyLog, custodians: Sequence[CustodianClient], reason: str, next_origin: str | None = None
) -> dict[str, Any]:
    """End the shard that is written to and open the next one; gives what happened.

    Custodians that are away are told about the new log when they are back. Raises Problem 503
    `evidence.log_refuses`, 409 `evidence.origin_taken`.
    """
    async with owner.writing:
        owner.check_refusal()
        old = owner.shard
        new_key = _next_key(owner, old.number + 1, next_origin)
        entry = freeze_entry(new_key, reason)
        before = old.tree.size
        try:
            async with owner.database.transaction() as session:
                await repository.lock_writer(session)
                await load_leaves(session, old)
                before = old.tree.size
                old.tree.append(leaf_hash(entry))
                final = Checkpoint(old.origin, old.tree.size, old.tree.root())
                last = await _keep(session, owner, old.number, final, f"freeze:{old.number}", entry)
                await _open_next(session, owner, new_key, opening_entry(final, "frozen", {"reason": reason}))
                await repository.close_shard(session, old.number, "frozen")
        except BaseException:
            old.tree.truncate(before)
            raise
        await owner.flush(last)
        await owner.reopen()
    told = await asyncio.gather(*(_tell(owner, custodian) for custodian in custodians))
    return {
        "frozen": {"origin": final.origin, "size": final.size, "root": final.root.hex()},
        "opened": {"origin": new_key.name, "vkey": new_key.vkey},
        "custodians": dict(told),
    }


async def close_forked(
    owner: TransparencyLog, facts: dict[str, Any], *, keep: int, next_origin: str | None = None
) -> dict[str, Any]:
    """Close a shard whose history cannot be made whole and open the next one, whose first leaf says so.

    keep: leaves from this index on that are still here were seen by no witness; they are logged again in the
    new shard. facts: go into its first leaf. The old log signs nothing more, so custodians must accept the
    new one by hand (docs/custodian.md).
    """
    async with owner.writing:
        old = owner.shard
        new_key = _next_key(owner, old.number + 1, next_origin)
        kept = MerkleTree()
        async with owner.database.transaction() as session:
            await repository.lock_writer(session)
            moved = await repository.orphan_leaves(session, old.number, keep)
            for leaf in await repository.leaves(session, old.number, 0, keep):
                kept.append(leaf_hash(leaf.entry))
            before = Checkpoint(old.origin, kept.size, kept.root())
            await _open_next(session, owner, new_key, opening_entry(before, "forked", facts))
            await repository.close_shard(session, old.number, "forked")
        await owner.reopen()
    owner.wake()
    return {
        "closed": {"origin": old.origin, "size": kept.size, "root": kept.root().hex()},
        "opened": {"origin": new_key.name, "vkey": new_key.vkey},
        "logged_again": moved,
    }


def _next_key(owner: TransparencyLog, number: int, next_origin: str | None) -> NoteKey:
    origin = next_origin or owner.keys.default_origin(number)
    if origin in {shard.origin for shard in owner.shards}:
        raise Problem(
            "evidence.origin_taken",
            409,
            zh=f"日志名称 {origin} 已被使用",
            en=f"a log of this installation already has the origin {origin}",
            todo_zh="请另取名称",
            todo_en="choose another origin",
        )
    return log_key(origin, owner.keys.private(number))


async def _keep(
    session: AsyncSession, owner: TransparencyLog, number: int, head: Checkpoint, ref: str, entry: bytes
) -> Head:
    """Keep `entry` as the last leaf of the signed tree `head`."""
    await repository.restore_leaf(session, number, head.size - 1, ref, entry)
    note = sign_checkpoint(head, owner.keys.private(number))
    await repository.add_checkpoint(session, number, head.size, note)
    return Head(number, head.size, note)


async def _open_next(session: AsyncSession, owner: TransparencyLog, key: NoteKey, entry: bytes) -> None:
    number = owner.shard.number + 1
    await repository.add_shard(session, number, key.name, key.vkey)
    first = Checkpoint(key.name, 1, leaf_hash(entry))
    await _keep(session, owner, number, first, f"shard:{number}", entry)


async def _tell(owner: TransparencyLog, custodian: CustodianClient) -> tuple[str, str]:
    """Introduce the new log to one custodian; gives its name and how it went."""
    name = custodian.pinned.name
    try:
        await owner.cosigner.introduce(custodian)
    except Problem as problem:
        log.warning("log.custodian_not_told", custodian=name, problem=problem.code)
        return name, problem.code
    return name, "accepted"
