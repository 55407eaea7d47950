"""All SQL on sessions and operator tokens."""

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.accounts.models import User
from gateway.sessions.models import OperatorToken, SessionRow


async def with_user(session: AsyncSession, digest: str) -> tuple[SessionRow, User] | None:
    """A session that was not ended, with its user."""
    query = (
        select(SessionRow, User)
        .join(User, User.id == SessionRow.user_id)
        .where(SessionRow.secret_digest == digest, SessionRow.ended_at.is_(None))
    )
    found = (await session.execute(query)).one_or_none()
    return (found[0], found[1]) if found else None


def add(session: AsyncSession, row: SessionRow) -> None:
    """Add a new session."""
    session.add(row)


async def touch(session: AsyncSession, session_id: str, seen: datetime) -> None:
    """Note activity; never moves backwards (two gateway processes may write)."""
    await session.execute(
        update(SessionRow)
        .where(SessionRow.id == session_id)
        .values(last_seen_at=func.greatest(SessionRow.last_seen_at, seen))
    )


async def end(session: AsyncSession, session_id: str, reason: str, now: datetime) -> bool:
    """End one session; False when it had ended before."""
    result = await session.execute(
        update(SessionRow)
        .where(SessionRow.id == session_id, SessionRow.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
        .returning(SessionRow.id)
    )
    return result.first() is not None


async def end_all(session: AsyncSession, user_id: str, reason: str, now: datetime) -> list[str]:
    """End every session of a person; gives the digests of those ended."""
    result = await session.execute(
        update(SessionRow)
        .where(SessionRow.user_id == user_id, SessionRow.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
        .returning(SessionRow.secret_digest)
    )
    return list(result.scalars())


async def open_digests(session: AsyncSession, user_id: str) -> list[str]:
    """Digests of a person's sessions that have not ended."""
    query = select(SessionRow.secret_digest).where(
        SessionRow.user_id == user_id, SessionRow.ended_at.is_(None)
    )
    return list((await session.execute(query)).scalars())


async def operator_token_exists(session: AsyncSession, digest: str) -> bool:
    """Whether this is the operator's current token."""
    query = select(OperatorToken.id).where(
        OperatorToken.token_digest == digest, OperatorToken.retired_at.is_(None)
    )
    return (await session.execute(query)).first() is not None


async def replace_operator_token(session: AsyncSession, row: OperatorToken, now: datetime) -> None:
    """Retire all earlier operator tokens and add this one."""
    await session.execute(
        update(OperatorToken).where(OperatorToken.retired_at.is_(None)).values(retired_at=now)
    )
    session.add(row)
