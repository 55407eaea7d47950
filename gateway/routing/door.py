"""The door itself: a lean ASGI application around the gateway's own routes.

Every request passes here, in this order: well formed? meant for us? known path? who is it? from our own
page? not too often? allowed to reach that service? Then the proxy or the gateway's own routes answer, and
every answer leaves with the security headers. What is not named in the route table does not exist.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.console.files import Console
from gateway.routing import checks
from gateway.routing.checks import Ask
from gateway.routing.headers import FORWARDED_IN, Kind, secured
from gateway.routing.limits import RateLimits
from gateway.routing.proxy import ClientGone, Errand, Intake, Proxy, Receive, Send
from gateway.routing.table import (
    CONFINED,
    GATEWAY,
    PASSIVE,
    RESERVED,
    SEGMENTS,
    SIGN_IN,
    Segment,
    limits_for,
    segment_of,
)
from gateway.sessions.routes import CLIENT_IP, SECRET, VISIT
from gateway.sessions.rules import clear_cookie, cookie_secret
from gateway.sessions.visits import Visit, Visits
from gateway.settings import DoorSettings
from gateway.verification.files import VerificationPage
from services.common.ids import new_id
from services.common.problems import Problem, problem_response

log = structlog.get_logger()
_ANSWERED = Counter("gateway_answers_total", "Answers at the door", ["segment", "status"])
_WATCH_SECONDS = 5.0


@dataclass(slots=True)
class Caller:
    """Who a request comes from: a browser's session, the local operator, or nobody."""

    visit: Visit | None = None
    secret: str | None = None
    stale_cookie: bool = False


@dataclass(slots=True)
class Answer:
    """The way out: adds the security headers, remembers whether an answer has begun."""

    send: Send
    request_id: str
    https: bool = False
    kind: Kind = "api"
    clear_cookie: bool = False
    status: int = 0
    extra: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def __call__(self, message: Any) -> None:
        """Pass one ASGI message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = secured(
                message["headers"], kind=self.kind, https=self.https, request_id=self.request_id
            )
            message = {**message, "headers": headers + self.extra}
        await self.send(message)

    async def problem(self, problem: Problem, scope: Any, receive: Receive) -> None:
        """Answer with a problem document."""
        if self.clear_cookie:
            self.extra.append((b"set-cookie", clear_cookie().encode()))
        await problem_response(problem, self.request_id)(scope, receive, self)


class Door:
    """The outermost application of the gateway."""

    def __init__(
        self,
        inner: Any,
        *,
        visits: Visits,
        proxy: Proxy,
        limits: RateLimits,
        console: Console,
        verification: VerificationPage,
        settings: DoorSettings,
    ) -> None:
        self.inner = inner
        self._visits, self._proxy, self._limits = visits, proxy, limits
        self._console, self._verification, self._settings = console, verification, settings

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "lifespan":
            await self.inner(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Any, receive: Receive, send: Send) -> None:
        answer = Answer(send, new_id())
        try:
            ask = checks.read(scope, answer.request_id, self._settings.trusted_proxies)
            answer.https = ask.https
            await self._answer(ask, scope, receive, answer)
        except Problem as problem:
            if answer.status:
                raise
            await answer.problem(problem, scope, receive)
        except ClientGone:
            log.info("door.client_gone", request_id=answer.request_id)
        except (DBAPIError, PoolTimeout) as error:
            log.error("door.database_unavailable", request_id=answer.request_id, error=type(error).__name__)
            if answer.status:
                raise
            await answer.problem(_no_database(), scope, receive)
        except Exception as error:
            log.error("door.crashed", request_id=answer.request_id, path=scope["path"], exc_info=error)
            if answer.status:
                raise
            await answer.problem(_crashed(), scope, receive)
        finally:
            segment = segment_of(scope["path"])
            _ANSWERED.labels(segment if segment in SEGMENTS else "other", answer.status).inc()

    async def _answer(self, ask: Ask, scope: Any, receive: Receive, answer: Answer) -> None:
        checks.refuse_malformed(ask)
        if ask.path in {"/health/live", "/health/ready"}:
            await self._own(ask, Caller(), scope, receive, answer, max_body=0)
            return
        checks.refuse_foreign_host(ask, self._settings.public_origins)
        first = ask.path.split("/", 2)[1]
        if first == "api":
            await self._api(ask, scope, receive, answer)
        elif ask.path == "/metrics":
            await self._metrics(ask, scope, receive, answer)
        elif first in RESERVED:
            raise _unknown()
        elif self._verification.owns(ask.path):
            answer.kind = "verification"
            await self._verification.answer(ask, scope, receive, answer)
        else:
            answer.kind = "asset" if self._console.is_asset(ask.path) else "page"
            await self._console.answer(ask, scope, receive, answer)

    async def _api(self, ask: Ask, scope: Any, receive: Receive, answer: Answer) -> None:
        name = segment_of(ask.path)
        segment = SEGMENTS.get(name)
        if segment is None:
            raise _unknown()
        if ask.length > segment.max_body:
            raise checks.too_large(segment.max_body)
        caller = Caller()
        signing_in = (ask.method, ask.path) == SIGN_IN
        if segment.public:
            answer.kind = "open"
        else:
            caller = await self._caller(ask)
            answer.clear_cookie = caller.stale_cookie
            checks.refuse_cross_site(ask)
            if not signing_in:
                self._admit(ask, name, segment, caller)
        person = caller.visit.claims.sub if caller.visit else ask.client_ip
        await self._limits.count(limits_for(ask.method, ask.path), source=ask.client_ip, person=person)
        if segment.service != GATEWAY:
            await self._proxy.forward(ask, self._errand(ask, segment, caller), receive, answer)
        elif signing_in:
            await self._limits.check_failures(ask.client_ip)
            await self._own(ask, caller, scope, receive, answer, max_body=segment.max_body)
            if answer.status in {401, 423}:
                await self._limits.count_failure(ask.client_ip)
        else:
            await self._own(ask, caller, scope, receive, answer, max_body=segment.max_body)

    async def _caller(self, ask: Ask) -> Caller:
        bearer = ask.header(b"authorization")
        if bearer is not None:
            scheme, _, token = bearer.partition(" ")
            if scheme.lower() == "bearer" and checks.is_local(ask):
                return Caller(visit=await self._visits.find_operator(token.strip()))
            return Caller()
        cookie = ask.header(b"cookie")
        secret = cookie_secret(cookie) if cookie else None
        if secret is None:
            return Caller()
        active = ask.path not in PASSIVE and b"x-background" not in ask.headers
        visit = await self._visits.find(secret, active=active)
        return Caller(visit, secret, stale_cookie=visit is None)

    @staticmethod
    def _admit(ask: Ask, name: str, segment: Segment, caller: Caller) -> None:
        """Raise Problem unless the caller is signed in, on our page, and may reach this service."""
        if caller.visit is None:
            raise _sign_in_first()
        if caller.secret is not None:
            checks.refuse_forged(ask, caller.secret)
        if caller.visit.must_change_password and name != CONFINED:
            raise _change_password_first()
        if segment.any_of and caller.visit.claims.permissions.isdisjoint(segment.any_of):
            raise _forbidden(segment)

    def _own_headers(self, ask: Ask, caller: Caller) -> dict[str, str]:
        headers = {"x-request-id": ask.request_id, "x-wangjian-client-ip": ask.client_ip}
        if caller.visit is not None:
            headers["authorization"] = "Bearer " + self._visits.token_for(caller.visit)
        return headers

    def _errand(self, ask: Ask, segment: Segment, caller: Caller) -> Errand:
        secret = caller.secret

        async def over() -> None:
            # The row is the truth and another process may end it: asking again is the only way to know.
            while secret is not None and await self._visits.find(secret, active=False) is not None:  # noqa: ASYNC110
                await asyncio.sleep(_WATCH_SECONDS)

        return Errand(
            segment.service,
            self._own_headers(ask, caller),
            segment.max_body,
            over if secret is not None else None,
        )

    async def _own(
        self, ask: Ask, caller: Caller, scope: Any, receive: Receive, answer: Answer, *, max_body: int
    ) -> None:
        """The gateway's own routes, asked the way a service is: with a signed token and nothing spoofed."""
        through = [(k, v) for k, v in scope["headers"] if k in FORWARDED_IN or k == b"host"]
        own = [(k.encode(), v.encode()) for k, v in self._own_headers(ask, caller).items()]
        body = await Intake(receive, ask.has_body, max_body).whole() if ask.has_body else b""

        given = False

        async def replay() -> Any:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        inside = {
            **scope,
            "headers": through + own,
            "state": dict(scope.get("state") or {}),
            VISIT: caller.visit,
            SECRET: caller.secret,
            CLIENT_IP: ask.client_ip,
        }
        await self.inner(inside, replay, answer)

    async def _metrics(self, ask: Ask, scope: Any, receive: Receive, answer: Answer) -> None:
        caller = await self._caller(ask)
        self._admit(ask, "metrics", SEGMENTS["system"], caller)
        await self._own(ask, caller, scope, receive, answer, max_body=0)


def _unknown() -> Problem:
    return Problem("request.unknown_path", 404, zh="没有这个地址", en="there is nothing at this address")


def _sign_in_first() -> Problem:
    return Problem(
        "session.required",
        401,
        zh="请先登录",
        en="sign in first",
        todo_zh="登录后重试；会话可能已因超时结束",
        todo_en="sign in and try again; the session may have timed out",
    )


def _change_password_first() -> Problem:
    return Problem(
        "session.password_change_required",
        403,
        zh="请先修改口令",
        en="change your password first",
        todo_zh="首次登录、口令被重置或超过 90 天后必须修改口令",
        todo_en="required at the first sign-in, after a reset, and every 90 days",
    )


def _forbidden(segment: Segment) -> Problem:
    wanted = sorted(segment.any_of)
    return Problem(
        "identity.forbidden",
        403,
        zh="您没有执行此操作的权限",
        en="you do not have the permission for this",
        todo_zh="如需办理，请向安全管理员申请以下权限之一：" + "、".join(wanted),
        todo_en="ask the security administrator for one of: " + ", ".join(wanted),
    )


def _no_database() -> Problem:
    return Problem(
        "gateway.database_unavailable",
        503,
        zh="暂时无法核验登录状态（数据库不可用）",
        en="the session cannot be checked right now (the database does not answer)",
        todo_zh="请稍后重试；若持续出现，请联系系统管理员",
        todo_en="try again shortly; if it goes on, tell the system administrator",
        headers={"Retry-After": "5"},
    )


def _crashed() -> Problem:
    return Problem(
        "internal.error",
        500,
        zh="系统内部错误",
        en="an internal error",
        todo_zh="请稍后重试，并将请求编号告知系统管理员",
        todo_en="try again later and give the request id to the system administrator",
    )
