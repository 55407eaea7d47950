"""SQL of signing keys."""

import json
from datetime import datetime

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from services.common.suites import PublicKey
from services.evidence.keys.models import SigningKey
from services.evidence.keys.rules import KnownKey
from services.evidence.log.models import LogEntry

# Any fixed number: changes of keys come one after another, in whatever process.
_CHANGES_LOCK = 7_420_301


async def lock(session: AsyncSession) -> None:
    """Be the only one that changes keys until the transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _CHANGES_LOCK})


async def every(session: AsyncSession) -> list[KnownKey]:
    """All keys there ever were, the oldest first."""
    rows = (
        await session.execute(select(SigningKey).order_by(SigningKey.created_at, SigningKey.keyid))
    ).scalars()
    return [
        KnownKey(
            row.role,
            PublicKey(row.algorithm, row.public_der),
            row.not_before,
            row.not_after,
            row.revoked_at,
            row.reason,
        )
        for row in rows
    ]


async def strays(session: AsyncSession) -> list[str]:
    """Ids of rows that are not their key's id; the table forbids them, so someone removed that rule."""
    query = select(SigningKey.keyid).where(
        SigningKey.keyid != func.encode(func.sha256(SigningKey.public_der), "hex")
    )
    return list((await session.execute(query)).scalars())


async def logged_events(session: AsyncSession) -> list[bytes]:
    """The log entries of key events, in their order; also those that were put back without their names."""
    named = or_(LogEntry.ref.like("key:%"), LogEntry.ref.like("recovered:%"))
    query = select(LogEntry.entry).where(named).order_by(LogEntry.id)
    entries = [bytes(entry) for entry in (await session.execute(query)).scalars()]
    return [entry for entry in entries if json.loads(entry).get("kind") == "key"]


async def add(session: AsyncSession, known: KnownKey, by: str) -> bool:
    """Keep a new key; False when it is known already."""
    query = (
        insert(SigningKey)
        .values(
            keyid=known.keyid,
            role=known.role,
            suite=known.key.suite,
            algorithm=known.key.algorithm,
            public_der=known.key.public_der,
            not_before=known.not_before,
            reason=known.reason,
            changed_by=by,
        )
        .on_conflict_do_nothing(index_elements=["keyid"])
        .returning(SigningKey.keyid)
    )
    return (await session.execute(query)).scalar_one_or_none() is not None


async def end(session: AsyncSession, keyid: str, at: datetime, reason: str, by: str) -> None:
    """Set `not_after`."""
    values = {"not_after": at, "reason": reason, "changed_by": by}
    await session.execute(update(SigningKey).where(SigningKey.keyid == keyid).values(**values))


async def revoke(session: AsyncSession, keyid: str, since: datetime, reason: str, by: str) -> None:
    """Set `revoked_at`."""
    values = {"revoked_at": since, "reason": reason, "changed_by": by}
    await session.execute(update(SigningKey).where(SigningKey.keyid == keyid).values(**values))
