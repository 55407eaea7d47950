"""Use cases: sign in, sign out, change one's password, make the operator's token. One transaction each."""

import asyncio
import os
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.accounts import repository as accounts
from gateway.accounts.models import SignInFailure, User
from gateway.accounts.passwords import Passwords
from gateway.accounts.rules import DJCP, LOCKOUT, Tries, begin_try, failed_try, weaknesses
from gateway.sessions import repository
from gateway.sessions.models import OperatorToken, SessionRow
from gateway.sessions.rules import digest_of, new_secret
from gateway.sessions.visits import OPERATOR, Clock, Visits, claims_for
from services.common import audit
from services.common.database import Database
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.problems import Problem

_FORGET_FAILURES_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a request came from."""

    client_ip: str
    user_agent: str
    request_id: str


def refused() -> Problem:
    """The one answer to a wrong name and to a wrong password."""
    return Problem(
        "session.refused",
        401,
        zh="用户名或口令不正确",
        en="the user name or the password is not right",
        todo_zh=f"连续 {LOCKOUT.failures} 次错误将锁定 30 分钟；忘记口令请联系系统管理员重置",
        todo_en=f"{LOCKOUT.failures} wrong tries in a row lock the name for 30 minutes; "
        "a system administrator can reset a forgotten password",
    )


def locked() -> Problem:
    """The answer while a name is locked, the same for names that do not exist."""
    return Problem(
        "session.locked",
        423,
        zh="该用户名因多次登录失败已被锁定",
        en="this user name is locked after too many failed sign-ins",
        todo_zh="请 30 分钟后再试；如非本人操作，请告知系统管理员",
        todo_en="try again in 30 minutes; tell the system administrator if it was not you",
    )


class SignIn:
    """Everything that begins, changes or ends a session."""

    def __init__(self, database: Database, visits: Visits, passwords: Passwords, clock: Clock) -> None:
        self._database, self._visits, self._passwords, self._clock = database, visits, passwords, clock

    async def sign_in(self, username: str, password: str, source: Source) -> str:
        """The secret of a new session. Raises Problem 401 `session.refused` or 423 `session.locked`."""
        name = username.strip().casefold()
        user, roles = await self._begin(name, source)
        right = await self._passwords.matches(user.password_hash if user else None, password)
        now = self._clock()
        usable = (
            user is not None
            and user.disabled_at is None
            and (user.one_time_expires_at is None or now < user.one_time_expires_at)
        )
        if user is None or not right or not usable:
            await self._fail(name, user, roles, source)
            raise refused()
        secret = new_secret()
        async with self._database.transaction() as session:
            await accounts.forget_failures(session, digest_of(name))
            row = self._new_row(secret, user.id, source)
            repository.add(session, row)
            await session.flush()
            await audit.record(
                session,
                _told(user, roles, source),
                event="session.started",
                object_type="session",
                object_id=row.id,
            )
        return secret

    async def _begin(self, name: str, source: Source) -> tuple[User | None, list[str]]:
        """Count the try, durably, before anything is checked."""
        now = self._clock()
        async with self._database.transaction() as session:
            row = await accounts.failures_for_update(session, digest_of(name), now)
            tries, may = begin_try(_tries(row), now)
            _store(row, tries)
            user = await accounts.by_username(session, name)
            # Asked for unknown names too: the same queries, the same time.
            user_id = user.id if user else ""
            roles = (await accounts.roles_of(session, [user_id])).get(user_id, [])
            if not may:
                await self._record_failure(session_claims(user, roles, source), session, user, "locked")
        if not may:
            raise locked()
        return user, roles

    async def _fail(self, name: str, user: User | None, roles: list[str], source: Source) -> None:
        now = self._clock()
        claims = session_claims(user, roles, source)
        async with self._database.transaction() as session:
            row = await accounts.failures_for_update(session, digest_of(name), now)
            before = row.locked_until
            _store(row, failed_try(_tries(row), now))
            await self._record_failure(claims, session, user, "refused")
            if row.locked_until is not None and row.locked_until != before:
                await audit.record(
                    session,
                    claims,
                    event="session.locked",
                    object_type="user",
                    object_id=user.id if user else "unknown",
                    after={"until": row.locked_until, "failures": row.failures},
                )
            await accounts.drop_old_failures(session, now - _FORGET_FAILURES_AFTER)

    @staticmethod
    async def _record_failure(claims: Claims, session: AsyncSession, user: User | None, reason: str) -> None:
        await audit.record(
            session,
            claims,
            event="session.refused",
            object_type="user",
            object_id=user.id if user else "unknown",
            after={"reason": reason},
            result="failure",
        )

    def _new_row(self, secret: str, user_id: str, source: Source) -> SessionRow:
        now = self._clock()
        return SessionRow(
            id=new_id(),
            secret_digest=digest_of(secret),
            user_id=user_id,
            created_at=now,
            last_seen_at=now,
            expires_at=now + self._visits.limits.absolute,
            client_ip=source.client_ip[:60],
            user_agent=source.user_agent[:300],
        )

    async def sign_out(self, session_id: str, digest: str, claims: Claims) -> None:
        """End the session; a second time changes nothing."""
        async with self._database.transaction() as session:
            if await repository.end(session, session_id, "signed_out", self._clock()):
                await audit.record(
                    session,
                    claims,
                    event="session.ended",
                    object_type="session",
                    object_id=session_id,
                    after={"reason": "signed_out"},
                )
        self._visits.forget(digest)

    async def change_password(self, claims: Claims, current: str, new: str, source: Source) -> str:
        """Replace one's own password: ends every session of the person and gives the secret of a new one.

        Raises Problem 401 for a wrong current password (counted like a failed sign-in), 422 for a weak or
        used one.
        """
        async with self._database.transaction() as session:
            user = await accounts.by_id(session, claims.sub)
        if user is None:
            raise refused()
        user, roles = await self._begin(user.username, source)
        if user is None or not await self._passwords.matches(user.password_hash, current):
            await self._fail(user.username if user else "", user, roles, source)
            raise _wrong_current()
        await self._check_new(user, new)
        hashed, secret, now = await self._passwords.hash(new), new_secret(), self._clock()
        async with self._database.transaction() as session:
            held = await accounts.by_id(session, user.id, lock=True)
            if held is None or held.password_hash != user.password_hash:
                raise _wrong_current()  # somebody changed it between our look and our lock
            await accounts.set_password(session, held, hashed)
            held.must_change_password, held.one_time_expires_at, held.password_changed_at = False, None, now
            ended = await repository.end_all(session, user.id, "password_changed", now)
            await accounts.forget_failures(session, digest_of(user.username))
            row = self._new_row(secret, user.id, source)
            repository.add(session, row)
            await audit.record(
                session,
                claims,
                event="password.changed",
                object_type="user",
                object_id=user.id,
                after={"sessions_ended": len(ended), "policy": DJCP.name},
            )
        self._visits.forget(*ended)
        return secret

    async def _check_new(self, user: User, new: str) -> None:
        found = weaknesses(new, user.username)
        async with self._database.transaction() as session:
            remembered = await accounts.remembered_passwords(session, user.id, DJCP.remembered)
            # The person knew the current password; a weak new one is no failed sign-in.
            await accounts.forget_failures(session, digest_of(user.username))
        if not found and await self._passwords.used_before(remembered, new):
            found.append(
                (f"与最近 {DJCP.remembered} 次口令相同", f"one of the last {DJCP.remembered} passwords")
            )
        if found:
            raise Problem(
                "password.weak",
                422,
                zh="新口令不符合要求：" + "；".join(zh for zh, _ in found),
                en="the new password is not accepted: " + "; ".join(en for _, en in found),
                todo_zh="请换一个口令，例如由多个不相关的词、数字和符号组成",
                todo_en="choose another one, for example several unrelated words with digits and signs",
            )

    async def make_operator_token(self, path: Path) -> bool:
        """Make the local operator's token in `path` (mode 600) unless that one is good; True when made."""
        known = await asyncio.to_thread(_read, path)
        if known:
            async with self._database.transaction() as session:
                if await repository.operator_token_exists(session, digest_of(known)):
                    return False
        token = new_secret()
        row = OperatorToken(id=new_id(), token_digest=digest_of(token))
        async with self._database.transaction() as session:
            await repository.replace_operator_token(session, row, self._clock())
            await audit.record(
                session, OPERATOR, event="operator.token_made", object_type="operator_token", object_id=row.id
            )
            # Written before the commit: a token on disk that the database does not know is made anew next
            # time.
            await asyncio.to_thread(write_private, path, token + "\n")
        return True


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def session_claims(user: User | None, roles: list[str], source: Source) -> Claims:
    """Who an audit row about a sign-in names: the account, or nobody known."""
    if user is not None:
        return _told(user, roles, source)
    return Claims(
        sub="unknown",
        name="",
        org="",
        org_name="",
        region="000000",
        request_id=source.request_id,
        client_ip=source.client_ip,
    )


def _told(user: User, roles: list[str], source: Source) -> Claims:
    claims = claims_for(user, roles, confined=False)
    return replace(claims, request_id=source.request_id, client_ip=source.client_ip)


def _tries(row: SignInFailure) -> Tries:
    return Tries(row.failures, row.last_at, row.locked_until)


def _store(row: SignInFailure, tries: Tries) -> None:
    row.failures, row.last_at, row.locked_until = tries.failures, tries.last_at, tries.locked_until


def _wrong_current() -> Problem:
    return Problem(
        "password.current_wrong",
        403,
        zh="当前口令不正确",
        en="the current password is not right",
        todo_zh="请重新输入当前口令",
        todo_en="type the current password again",
    )
