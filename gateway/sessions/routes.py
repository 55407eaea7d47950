"""HTTP of the session: sign in, who am I, sign out, change the password."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from gateway.guards import signed_in
from gateway.sessions.rules import clear_cookie, csrf_token, idle_seconds_left, set_cookie
from gateway.sessions.schemas import Me, PasswordChange, SessionView
from gateway.sessions.schemas import SignIn as Credentials
from gateway.sessions.service import SignIn, Source
from gateway.sessions.visits import Clock, Visit, Visits
from services.common.clock import rfc3339
from services.common.identity import Claims, public
from services.common.problems import Problem

router = APIRouter(prefix="/api/session", tags=["登录 session"])

VISIT = "wangjian.visit"
SECRET = "wangjian.secret"  # noqa: S105 - the name of a scope entry, not a secret
CLIENT_IP = "wangjian.client_ip"

SignedIn = Annotated[Claims, Depends(signed_in())]


def _sign_in(request: Request) -> SignIn:
    service: SignIn = request.app.state.sign_in
    return service


Service = Annotated[SignIn, Depends(_sign_in)]


def _source(request: Request) -> Source:
    return Source(
        client_ip=str(request.scope.get(CLIENT_IP, "")),
        user_agent=request.headers.get("user-agent", ""),
        request_id=str(getattr(request.state, "request_id", "")),
    )


def _browser_session(request: Request) -> tuple[Visit, str]:
    visit, secret = request.scope.get(VISIT), request.scope.get(SECRET)
    if not isinstance(visit, Visit) or not isinstance(secret, str):
        raise Problem(
            "session.browser_only",
            409,
            zh="此操作只用于网页登录会话",
            en="this is for sessions of a browser only",
        )
    return visit, secret


def _view(request: Request, visit: Visit, secret: str) -> SessionView:
    visits: Visits = request.app.state.visits
    clock: Clock = request.app.state.clock
    now: datetime = clock()
    claims = visit.claims
    return SessionView(
        user=Me(
            id=claims.sub,
            username=visit.username,
            name=claims.name,
            org=claims.org,
            org_name=claims.org_name,
            region=claims.region,
            roles=sorted(claims.roles),
        ),
        permissions=sorted(claims.permissions),
        csrf_token=csrf_token(secret),
        must_change_password=visit.must_change_password,
        idle_seconds_left=idle_seconds_left(visit.last_seen, visit.expires, now, visits.limits),
        expires_at=rfc3339(visit.expires),
    )


async def _answer_with(request: Request, response: Response, secret: str) -> SessionView:
    visits: Visits = request.app.state.visits
    visit = await visits.find(secret, active=True)
    if visit is None:
        raise Problem("session.ended", 401, zh="会话已结束", en="the session has ended")
    response.headers.append("set-cookie", set_cookie(secret))
    return _view(request, visit, secret)


@router.post("", dependencies=[Depends(public("sign-in"))])
async def sign_in(body: Credentials, request: Request, response: Response, service: Service) -> SessionView:
    """Sign in 登录: always a new session id; one this browser had before is ended."""
    secret = await service.sign_in(body.username, body.password, _source(request))
    earlier = request.scope.get(VISIT)
    if isinstance(earlier, Visit):
        await service.sign_out(earlier.session_id, earlier.digest, earlier.claims)
    return await _answer_with(request, response, secret)


@router.get("")
async def who_am_i(request: Request, _: SignedIn) -> SessionView:
    """The session of this browser 当前会话; asking does not keep it alive."""
    return _view(request, *_browser_session(request))


@router.delete("", status_code=204)
async def sign_out(request: Request, response: Response, claims: SignedIn, service: Service) -> None:
    """Sign out 退出: the session is over on the server and the browser forgets everything of this site."""
    visit, _ = _browser_session(request)
    await service.sign_out(visit.session_id, visit.digest, claims)
    response.headers.append("set-cookie", clear_cookie())
    response.headers["clear-site-data"] = '"cache", "cookies", "storage"'


@router.post("/password")
async def change_password(
    body: PasswordChange, request: Request, response: Response, claims: SignedIn, service: Service
) -> SessionView:
    """Change one's own password 修改口令: other sessions end, this one gets a new id."""
    secret = await service.change_password(claims, body.current, body.new, _source(request))
    return await _answer_with(request, response, secret)
