"""Who is at the door: the few facts of a session that every request needs, kept in memory for a few seconds.

The truth is the row in PostgreSQL. A visit is looked up there at most every `FRESH` seconds; signing out, a
change of role or password in this process forgets it at once, in another gateway process after at most
`FRESH`.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.accounts import repository as accounts
from gateway.accounts.models import User
from gateway.accounts.roles import ROLES, permissions_of
from gateway.accounts.rules import password_expired
from gateway.sessions import repository
from gateway.sessions.rules import Limits, digest_of, ending_of
from services.common import audit
from services.common.database import Database
from services.common.identity import TOKEN_SECONDS, Claims, TokenIssuer

FRESH: Final = timedelta(seconds=5)
TOKEN_REUSED: Final = timedelta(seconds=TOKEN_SECONDS // 3)
_KEPT: Final = 10_000

Clock = Callable[[], datetime]

OPERATOR: Final = Claims(
    sub="operator",
    name="本机操作员",
    org="360000-SJ",
    org_name="江西省市场监督管理局",
    region="360000",
    roles=frozenset({"operator"}),
    permissions=ROLES["operator"].permissions,
)


@dataclass(slots=True)
class Visit:
    """One signed-in caller, as the door sees it."""

    digest: str
    session_id: str
    username: str
    claims: Claims
    must_change_password: bool
    last_seen: datetime
    expires: datetime
    loaded: datetime
    token: str = ""
    token_until: datetime | None = None


def claims_for(user: User, roles: list[str], *, confined: bool) -> Claims:
    """The claims of a person; `confined` (password must be changed first) gives no permission at all."""
    held = frozenset(roles)
    return Claims(
        sub=user.id,
        name=user.display_name,
        org=user.org_code,
        org_name=user.org_name,
        region=user.region_code,
        roles=held,
        permissions=frozenset() if confined else permissions_of(held),
    )


class Visits:
    """Finds the caller behind a secret; gives internal tokens for callers found."""

    def __init__(self, database: Database, issuer: TokenIssuer, limits: Limits, clock: Clock) -> None:
        self._database, self._issuer, self._clock = database, issuer, clock
        self.limits = limits
        self._known: OrderedDict[str, Visit] = OrderedDict()
        self._changes = 0

    async def find(self, secret: str, *, active: bool) -> Visit | None:
        """The visit of a session's secret; None when there is no such session or it is over.

        active: whether this request counts as the person's own activity (a background poll does not).
        """
        digest, now = digest_of(secret), self._clock()
        visit = self._known.get(digest)
        if visit is None or now - visit.loaded >= FRESH:
            visit = await self._load(digest, visit, active=active, now=now)
        elif ending_of(last_seen=visit.last_seen, expires=visit.expires, now=now, limits=self.limits):
            visit = await self._load(digest, visit, active=False, now=now)
        if visit is not None and active:
            visit.last_seen = now
        return visit

    async def _load(self, digest: str, known: Visit | None, *, active: bool, now: datetime) -> Visit | None:
        changes = self._changes
        self._known.pop(digest, None)
        async with self._database.transaction() as session:
            found = await repository.with_user(session, digest)
            if found is None:
                return None
            row, user = found
            seen = max(row.last_seen_at, known.last_seen) if known else row.last_seen_at
            roles = (await accounts.roles_of(session, [user.id])).get(user.id, [])
            ending = ending_of(last_seen=seen, expires=row.expires_at, now=now, limits=self.limits)
            if ending or user.disabled_at is not None:
                reason: str = ending or "disabled"
                if await repository.end(session, row.id, reason, now):
                    await audit.record(
                        session,
                        claims_for(user, roles, confined=False),
                        event="session.ended",
                        object_type="session",
                        object_id=row.id,
                        after={"reason": reason},
                    )
                return None
            if active:
                seen = now
            if seen > row.last_seen_at:
                await repository.touch(session, row.id, seen)
        confined = user.must_change_password or password_expired(user.password_changed_at, now)
        visit = Visit(
            digest=digest,
            session_id=row.id,
            username=user.username,
            claims=claims_for(user, roles, confined=confined),
            must_change_password=confined,
            last_seen=seen,
            expires=row.expires_at,
            loaded=now,
        )
        if changes == self._changes:  # somebody signed out meanwhile: use this answer once, do not keep it
            self._keep(visit)
        return visit

    async def find_operator(self, secret: str) -> Visit | None:
        """The local operator, when this is the current operator token."""
        digest, now = digest_of(secret), self._clock()
        visit = self._known.get(digest)
        if visit is not None and now - visit.loaded < FRESH and visit.claims.sub == OPERATOR.sub:
            return visit
        async with self._database.transaction() as session:
            if not await repository.operator_token_exists(session, digest):
                return None
        never = now + timedelta(days=3650)
        visit = Visit(digest, "", "operator", OPERATOR, False, last_seen=now, expires=never, loaded=now)
        self._keep(visit)
        return visit

    def _keep(self, visit: Visit) -> None:
        self._known[visit.digest] = visit
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)

    def forget(self, *digests: str) -> None:
        """Forget sessions that ended or whose rights changed; the next request reads the row."""
        self._changes += 1
        for digest in digests:
            self._known.pop(digest, None)

    def token_for(self, visit: Visit) -> str:
        """An internal token for the visit's claims, signed at most every 20 s and good for at least 40 s
        more.
        """
        now = self._clock()
        if visit.token_until is None or now >= visit.token_until:
            visit.token = self._issuer.issue(visit.claims)
            visit.token_until = now + TOKEN_REUSED
        return visit.token
