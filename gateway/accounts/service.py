"""Use cases on accounts: one transaction each, the audit row inside it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.accounts import repository
from gateway.accounts.models import User
from gateway.accounts.passwords import Passwords
from gateway.accounts.roles import ROLES
from gateway.accounts.rules import (
    DJCP,
    check_grant,
    check_reset,
    check_username,
    one_time_password,
    region_of,
    track_of,
)
from gateway.accounts.schemas import OneTimePassword, RoleView, UserView
from gateway.sessions import repository as sessions
from gateway.sessions.rules import digest_of
from gateway.sessions.visits import Clock, Visits
from services.common import audit
from services.common.clock import rfc3339
from services.common.database import Database
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.paging import Page, decode_cursor, encode_cursor
from services.common.problems import Problem, not_found
from services.common.scope import region_covers


@dataclass(frozen=True, slots=True)
class Staff:
    """An account to be made: its names, its organisation, and the roles it starts with (first start only)."""

    username: str
    display_name: str
    org_code: str
    org_name: str
    roles: frozenset[str] = frozenset()


# The region of the command on the machine itself: the whole deployment (as services.common.identity has it).
EVERYWHERE: Final = "000000"
_PROVINCE = ("360000-SJ", "江西省市场监督管理局")
DEMO_STAFF: Final = (
    Staff("nanchang_officer", "南昌县监管员", "360121-SJ", "南昌县市场监督管理局", frozenset({"officer"})),
    Staff("zhanggong_officer", "章贡区监管员", "360702-SJ", "章贡区市场监督管理局", frozenset({"officer"})),
    Staff("province_dispatcher", "省局指挥调度员", *_PROVINCE, frozenset({"dispatcher"})),
    Staff("sysadmin", "系统管理员", *_PROVINCE, frozenset({"sysadmin"})),
    Staff("secadmin", "安全管理员", *_PROVINCE, frozenset({"secadmin"})),
    Staff("auditor", "审计管理员", *_PROVINCE, frozenset({"auditor"})),
)


class Accounts:
    """Everything that happens to accounts."""

    def __init__(self, database: Database, visits: Visits, passwords: Passwords, clock: Clock) -> None:
        self._database, self._visits, self._passwords, self._clock = database, visits, passwords, clock

    async def list_users(
        self, claims: Claims, *, q: str | None, cursor: str | None, limit: int
    ) -> Page[UserView]:
        """Accounts of the caller's region, by user name."""
        after = str(decode_cursor(cursor)[0]) if cursor else None
        async with self._database.transaction() as session:
            users = await repository.page(session, claims, q=q, after=after, limit=limit + 1)
            views = await self._views(session, users[:limit])
        more = len(users) > limit
        return Page(items=views, next_cursor=encode_cursor([users[limit - 1].username]) if more else None)

    async def every_user(self) -> list[UserView]:
        """All accounts, for the command on the machine."""
        async with self._database.transaction() as session:
            return await self._views(session, await repository.everyone(session))

    async def create(self, claims: Claims, staff: Staff) -> OneTimePassword:
        """Make an account with a one-time password.

        Raises Problem 409 `user.exists`, 422 for a bad name or organisation, 403 outside the caller's region.
        """
        username, region = check_username(staff.username), region_of(staff.org_code)
        track = track_of(staff.roles)
        password = one_time_password()
        hashed, now = await self._passwords.hash(password), self._clock()
        expires = now + timedelta(days=DJCP.one_time_days)
        user = User(
            id=new_id(),
            username=username,
            display_name=staff.display_name.strip(),
            org_code=staff.org_code,
            org_name=staff.org_name,
            region_code=region,
            password_hash=hashed,
            password_changed_at=now,
            must_change_password=True,
            one_time_expires_at=expires,
            created_by=claims.sub,
            created_at=now,
        )
        if claims.region != EVERYWHERE and not region_covers(claims.region, region):
            raise _outside(staff.org_code)
        async with self._database.transaction() as session:
            if await repository.by_username(session, username) is not None:
                raise _exists(username)
            repository.add(session, user)
            await session.flush()
            await repository.set_password(session, user, hashed)
            after = {"username": username, "org": user.org_code}
            await self._record(session, claims, "user.created", user, after=after)
            if staff.roles:
                await repository.replace_roles(session, user, staff.roles, track, claims.sub)
                await self._record(
                    session, claims, "role.granted", user, after={"roles": sorted(staff.roles)}
                )
            view = (await self._views(session, [user]))[0]
        return OneTimePassword(user=view, one_time_password=password, expires_at=rfc3339(expires))

    async def create_missing(self, claims: Claims, staff: tuple[Staff, ...]) -> list[OneTimePassword]:
        """Make those of `staff` that do not exist yet; the others stay as they are."""
        made: list[OneTimePassword] = []
        for person in staff:
            async with self._database.transaction() as session:
                known = await repository.by_username(session, person.username) is not None
            if not known:
                made.append(await self.create(claims, person))
        return made

    async def set_roles(self, claims: Claims, user_id: str, roles: frozenset[str]) -> UserView:
        """Make `roles` all the roles of a person, and end nothing: the next request sees the new rights."""
        track = check_grant(granter_id=claims.sub, user_id=user_id, roles=roles)
        async with self._database.transaction() as session:
            user = await self._in_region(session, user_id, claims)
            before = (await repository.roles_of(session, [user.id])).get(user.id, [])
            await repository.replace_roles(session, user, roles, track, claims.sub)
            await self._record(
                session,
                claims,
                "role.granted",
                user,
                before={"roles": before},
                after={"roles": sorted(roles)},
            )
            digests = await sessions.open_digests(session, user.id)
            view = (await self._views(session, [user]))[0]
        self._visits.forget(*digests)
        return view

    async def reset_password(self, claims: Claims, user_id: str) -> OneTimePassword:
        """A new one-time password for a person of the caller's region; ends all their sessions."""
        async with self._database.transaction() as session:
            user = await self._in_region(session, user_id, claims)
            check_reset(user.track)
        return await self._reset(claims, user.id)

    async def reset_by_name(self, claims: Claims, username: str) -> OneTimePassword:
        """The same from the command on the machine, for any account."""
        async with self._database.transaction() as session:
            user = await repository.by_username(session, username.strip().casefold())
        if user is None:
            raise Problem(
                "user.unknown",
                404,
                zh=f"没有用户名为 {username[:64]} 的账号",
                en=f"there is no account with the user name {username[:64]}",
                todo_zh="用 wangjian users list 查看全部账号",
                todo_en="wangjian users list shows all accounts",
            )
        return await self._reset(claims, user.id)

    async def _reset(self, claims: Claims, user_id: str) -> OneTimePassword:
        password = one_time_password()
        hashed, now = await self._passwords.hash(password), self._clock()
        expires = now + timedelta(days=DJCP.one_time_days)
        async with self._database.transaction() as session:
            user = await repository.by_id(session, user_id, lock=True)
            if user is None:
                raise not_found("账号", "account")
            await repository.set_password(session, user, hashed)
            user.must_change_password, user.one_time_expires_at, user.password_changed_at = True, expires, now
            ended = await sessions.end_all(session, user.id, "password_reset", now)
            await repository.forget_failures(session, digest_of(user.username))
            await self._record(session, claims, "password.reset", user, after={"sessions_ended": len(ended)})
            view = (await self._views(session, [user]))[0]
        self._visits.forget(*ended)
        return OneTimePassword(user=view, one_time_password=password, expires_at=rfc3339(expires))

    async def set_disabled(self, claims: Claims, user_id: str, *, disabled: bool, reason: str) -> UserView:
        """Disable an account (ends its sessions) or enable it again."""
        if claims.sub == user_id:
            raise Problem(
                "user.self", 409, zh="不能停用自己的账号", en="one's own account cannot be disabled"
            )
        now, ended = self._clock(), []
        async with self._database.transaction() as session:
            user = await self._in_region(session, user_id, claims)
            user.disabled_at = now if disabled else None
            if disabled:
                ended = await sessions.end_all(session, user.id, "disabled", now)
            event = "user.disabled" if disabled else "user.enabled"
            await self._record(session, claims, event, user, after={"reason": reason})
            view = (await self._views(session, [user]))[0]
        self._visits.forget(*ended)
        return view

    @staticmethod
    async def _in_region(session: AsyncSession, user_id: str, claims: Claims) -> User:
        user = await repository.in_region(session, user_id, claims)
        if user is None:
            raise not_found("账号", "account")
        return user

    @staticmethod
    async def _record(
        session: AsyncSession,
        claims: Claims,
        event: str,
        user: User,
        *,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        await audit.record(
            session, claims, event=event, object_type="user", object_id=user.id, before=before, after=after
        )

    async def _views(self, session: AsyncSession, users: list[User]) -> list[UserView]:
        roles = await repository.roles_of(session, [user.id for user in users])
        digests = {digest_of(user.username): user.id for user in users}
        locks: dict[str, datetime] = {
            digests[digest]: until
            for digest, until in (await repository.locks_of(session, digests, self._clock())).items()
        }
        return [
            UserView(
                id=user.id,
                username=user.username,
                display_name=user.display_name,
                org_code=user.org_code,
                org_name=user.org_name,
                region_code=user.region_code,
                roles=roles.get(user.id, []),
                disabled=user.disabled_at is not None,
                locked_until=rfc3339(locks[user.id]) if user.id in locks else None,
                must_change_password=user.must_change_password,
                created_at=rfc3339(user.created_at),
            )
            for user in users
        ]


def role_views() -> list[RoleView]:
    """All roles a person can be granted, with their permissions."""
    return [
        RoleView(
            code=role.code,
            zh=role.zh,
            en=role.en,
            administrator=role.track == "admin",
            permissions=sorted(role.permissions),
        )
        for role in ROLES.values()
        if role.track != "local"
    ]


def _exists(username: str) -> Problem:
    return Problem(
        "user.exists",
        409,
        zh=f"用户名 {username} 已存在",
        en=f"the user name {username} is taken",
        todo_zh="请换一个用户名，或为已有账号授权",
        todo_en="choose another name, or grant roles to the existing account",
    )


def _outside(org_code: str) -> Problem:
    return Problem(
        "user.org_outside",
        403,
        zh=f"机构 {org_code} 不在您的管辖区域内",
        en=f"the organisation {org_code} is not in your region",
        todo_zh="请由上级系统管理员办理",
        todo_en="ask a system administrator of the higher level",
    )
