"""All SQL on accounts, and the one place where they are scoped by region."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.accounts.models import PasswordMemory, RoleGrant, SignInFailure, User
from services.common.identity import Claims
from services.common.scope import region_filter


async def by_username(session: AsyncSession, username: str) -> User | None:
    """The account with this (lower-case) user name."""
    return (await session.execute(select(User).where(User.username == username))).scalar_one_or_none()


async def by_id(session: AsyncSession, user_id: str, *, lock: bool = False) -> User | None:
    """The account with this id, whatever its region: for the account's own use only."""
    query = select(User).where(User.id == user_id)
    return (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def in_region(session: AsyncSession, user_id: str, claims: Claims) -> User | None:
    """The account, locked for a change, when it lies in the caller's region."""
    query = select(User).where(User.id == user_id, region_filter(User.region_code, claims)).with_for_update()
    return (await session.execute(query)).scalar_one_or_none()


async def page(
    session: AsyncSession, claims: Claims, *, q: str | None, after: str | None, limit: int
) -> list[User]:
    """Accounts of the caller's region by user name, from after `after`; `q` is part of a name or an org
    code.
    """
    query = select(User).where(region_filter(User.region_code, claims))
    if after:
        query = query.where(User.username > after)
    if q:
        query = query.where(
            or_(
                User.username.icontains(q, autoescape=True),
                User.display_name.icontains(q, autoescape=True),
                User.org_code.startswith(q, autoescape=True),
            )
        )
    return list((await session.execute(query.order_by(User.username).limit(limit))).scalars())


async def everyone(session: AsyncSession) -> list[User]:
    """All accounts by user name, for the command on the machine itself."""
    return list((await session.execute(select(User).order_by(User.username))).scalars())


def add(session: AsyncSession, user: User) -> None:
    """Add a new account."""
    session.add(user)


async def roles_of(session: AsyncSession, user_ids: Iterable[str]) -> dict[str, list[str]]:
    """Role codes by user id; users without a role are missing."""
    query = select(RoleGrant.user_id, RoleGrant.role).where(RoleGrant.user_id.in_(list(user_ids)))
    found: dict[str, list[str]] = {}
    for user_id, role in await session.execute(query.order_by(RoleGrant.role)):
        found.setdefault(user_id, []).append(role)
    return found


async def replace_roles(
    session: AsyncSession, user: User, roles: frozenset[str], track: str | None, granted_by: str
) -> None:
    """Make `roles` all the roles of the (locked) account; constraints refuse what 三员分立 forbids."""
    await session.execute(delete(RoleGrant).where(RoleGrant.user_id == user.id, RoleGrant.role.not_in(roles)))
    held = set((await roles_of(session, [user.id])).get(user.id, []))
    if user.track != track:
        user.track = track
        await session.flush()
    session.add_all(
        RoleGrant(user_id=user.id, role=role, track=track, granted_by=granted_by) for role in roles - held
    )
    await session.flush()


async def set_password(session: AsyncSession, user: User, password_hash: str) -> None:
    """Store a new hash and remember it."""
    user.password_hash = password_hash
    session.add(PasswordMemory(user_id=user.id, password_hash=password_hash))
    await session.flush()


async def remembered_passwords(session: AsyncSession, user_id: str, count: int) -> list[str]:
    """The hashes of the last `count` passwords, newest first."""
    query = (
        select(PasswordMemory.password_hash)
        .where(PasswordMemory.user_id == user_id)
        .order_by(PasswordMemory.seq.desc())
        .limit(count)
    )
    return list((await session.execute(query)).scalars())


async def failures_for_update(session: AsyncSession, digest: str, now: datetime) -> SignInFailure:
    """The count of failures of a name, made when missing, locked until the transaction ends."""
    await session.execute(
        insert(SignInFailure).values(name_digest=digest, failures=0, last_at=now).on_conflict_do_nothing()
    )
    query = select(SignInFailure).where(SignInFailure.name_digest == digest).with_for_update()
    return (await session.execute(query)).scalar_one()


async def lock_name(session: AsyncSession, digest: str, until: datetime) -> None:
    """Lock a name."""
    await session.execute(
        update(SignInFailure).where(SignInFailure.name_digest == digest).values(locked_until=until)
    )


async def forget_failures(session: AsyncSession, digest: str) -> None:
    """A successful sign-in ends the count."""
    await session.execute(delete(SignInFailure).where(SignInFailure.name_digest == digest))


async def drop_old_failures(session: AsyncSession, before: datetime) -> int:
    """Drop counts nobody added to since `before`; gives how many."""
    result = await session.execute(
        delete(SignInFailure).where(SignInFailure.last_at < before).returning(SignInFailure.name_digest)
    )
    return len(result.all())


async def locks_of(session: AsyncSession, digests: Iterable[str], now: datetime) -> dict[str, datetime]:
    """Names (as digests) locked right now, and until when."""
    query = select(SignInFailure.name_digest, SignInFailure.locked_until).where(
        SignInFailure.name_digest.in_(list(digests)), SignInFailure.locked_until > now
    )
    return {digest: until for digest, until in await session.execute(query) if until is not None}
