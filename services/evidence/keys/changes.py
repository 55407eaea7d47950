"""The three things that happen to a key, each with its leaf in the transaction of the change."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from services.common.suites import PublicKey
from services.evidence.keys import repository
from services.evidence.keys.rules import Event, KnownKey, counts_from, log_entry, log_ref
from services.evidence.log import repository as log_repository


async def introduce(
    session: AsyncSession, role: str, key: PublicKey, now: datetime, reason: str, by: str
) -> bool:
    """A key counts from now on. False when it is known already."""
    known = KnownKey(role, key, counts_from(now), None, None, reason)
    if not await repository.add(session, known, by):
        return False
    await _log(session, "introduced", known, counts_from(now), reason)
    return True


async def end(session: AsyncSession, known: KnownKey, at: datetime, reason: str, by: str) -> None:
    """A key counts until `at`: another has taken its place."""
    await repository.end(session, known.keyid, at, reason, by)
    await _log(session, "rotated", known, at, reason)


async def revoke(session: AsyncSession, known: KnownKey, since: datetime, reason: str, by: str) -> None:
    """A key is not to be trusted for anything stamped after `since`."""
    await repository.revoke(session, known.keyid, since, reason, by)
    await _log(session, "revoked", known, since, reason)


async def _log(session: AsyncSession, event: Event, known: KnownKey, at: datetime, reason: str) -> None:
    entry = log_entry(event, known.role, known.key, at, reason)
    await log_repository.enqueue(session, {log_ref(event, known.keyid, at): entry})
