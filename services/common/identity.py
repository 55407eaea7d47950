"""Who asks: short-lived signed tokens between processes (JWT, RFC 7519; Ed25519, RFC 9864).

The gateway may speak for a person; any other process only for itself (`service:<name>`).
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from services.common.keys import load_or_create_ed25519
from services.common.problems import Problem

AUDIENCE = "wangjian-internal"
TOKEN_SECONDS = 60
_ALGORITHM = "Ed25519"
_CACHE_SIZE = 2048


@dataclass(frozen=True)
class Claims:
    """The caller of a request, checked. `region` is a six-digit GB/T 2260 code."""

    sub: str
    name: str
    org: str
    org_name: str
    region: str
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    request_id: str = ""
    client_ip: str = ""
    token: str = field(default="", repr=False, compare=False)

    @property
    def service(self) -> str | None:
        """The calling service's name when a service asks for itself."""
        return self.sub.removeprefix("service:") if self.sub.startswith("service:") else None

    @property
    def actor(self) -> dict[str, str]:
        """What other records keep of the caller: {sub, name, org}."""
        return {"sub": self.sub, "name": self.name, "org": self.org}

    @property
    def whole_actor(self) -> dict[str, str]:
        """The same with the organisation's name and the address the request came from (custody records)."""
        return {**self.actor, "org_name": self.org_name, "client_ip": self.client_ip}


def system_claims(service: str) -> Claims:
    """The claims of a service acting for itself, only on /internal routes.

    Its region is no real one, so that a list meant for people shows such a caller nothing.
    """
    return Claims(sub=f"service:{service}", name=service, org="", org_name="", region="000000")


class TokenIssuer:
    """Signs tokens with this process's own key `<keys_dir>/internal-<name>.key`."""

    def __init__(self, keys_dir: Path, name: str) -> None:
        path = keys_dir / f"internal-{name}.key"
        pem = load_or_create_ed25519(path).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._name = name
        self._key = OKPKey.import_key(pem)

    def issue(self, claims: Claims, seconds: int = TOKEN_SECONDS) -> str:
        """A signed token for `claims`, valid for `seconds`."""
        now = int(time.time())
        body = {
            "iss": self._name,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + seconds,
            "sub": claims.sub,
            "name": claims.name,
            "org": claims.org,
            "org_name": claims.org_name,
            "region": claims.region,
            "roles": sorted(claims.roles),
            "perms": sorted(claims.permissions),
        }
        header = {"alg": _ALGORITHM, "kid": self._name}
        return jwt.encode(header, body, self._key, algorithms=[_ALGORITHM])


class TokenVerifier:
    """Checks tokens against the public keys `<keys_dir>/internal-<name>.pub`; remembers good ones briefly."""

    def __init__(self, keys_dir: Path) -> None:
        self._keys_dir = keys_dir
        self._keys: dict[str, OKPKey] = {}
        self._good: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()

    def verify(self, token: str) -> dict[str, Any]:
        """The token's claims. Raises Problem 401 `identity.token_invalid` for any flaw."""
        cached = self._good.get(token)
        if cached and cached[0] > time.time():
            return cached[1]
        try:
            body = self._checked(token)
        except (JoseError, ValueError, KeyError, OSError) as error:
            raise _invalid_token() from error
        self._good[token] = (float(body["exp"]), body)
        while len(self._good) > _CACHE_SIZE:
            self._good.popitem(last=False)
        return body

    def _checked(self, token: str) -> dict[str, Any]:
        decoded = jwt.decode(token, self._key_for, algorithms=[_ALGORITHM])
        body, issuer = dict(decoded.claims), str(decoded.header["kid"])
        now = time.time()
        if body.get("aud") != AUDIENCE or body.get("iss") != issuer:
            raise ValueError("audience or issuer differs")
        if not body["iat"] - 5 <= now < body["exp"]:
            raise ValueError("outside its time")
        if issuer != "gateway" and body["sub"] != f"service:{issuer}":
            raise ValueError("only the gateway speaks for others")
        return body

    def _key_for(self, token: Any) -> OKPKey:
        name = str(token.headers()["kid"])
        if not name.isidentifier():
            raise ValueError("key name")
        if name not in self._keys:
            self._keys[name] = OKPKey.import_key((self._keys_dir / f"internal-{name}.pub").read_bytes())
        return self._keys[name]


def _invalid_token() -> Problem:
    return Problem(
        "identity.token_invalid",
        401,
        zh="身份凭据无效或已过期",
        en="the identity token is invalid or has expired",
        todo_zh="请重新登录",
        todo_en="sign in again",
    )


def claims_of(request: Request) -> Claims:
    """The caller of this request. Raises Problem 401 without a valid token."""
    known: Claims | None = getattr(request.state, "claims", None)
    if known is not None:
        return known
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _invalid_token()
    verifier: TokenVerifier = request.app.state.tokens
    body = verifier.verify(token)
    claims = Claims(
        sub=body["sub"],
        name=body["name"],
        org=body["org"],
        org_name=body["org_name"],
        region=body["region"],
        roles=frozenset(body["roles"]),
        permissions=frozenset(body["perms"]),
        request_id=getattr(request.state, "request_id", ""),
        # The gateway, the only way in, replaces whatever a client wrote here.
        client_ip=request.headers.get("x-wangjian-client-ip", ""),
        token=token,
    )
    request.state.claims = claims
    return claims


Guard = Callable[[Request], Awaitable[Claims]]


def require(*permissions: str) -> Guard:
    """Route dependency: the caller must hold every permission; also declares them for the start-up check."""

    async def guard(request: Request) -> Claims:
        claims = claims_of(request)
        missing = sorted(set(permissions) - claims.permissions)
        if missing:
            raise Problem(
                "identity.forbidden",
                403,
                zh="您没有执行此操作的权限",
                en="you do not have the permission for this",
                todo_zh="如需办理,请向安全管理员申请权限:" + "、".join(missing),
                todo_en="ask the security administrator for: " + ", ".join(missing),
            )
        return claims

    guard.permissions = permissions  # type: ignore[attr-defined]
    return guard


def require_any(*permissions: str) -> Guard:
    """Route dependency: the caller must hold at least one of these permissions."""

    async def guard(request: Request) -> Claims:
        claims = claims_of(request)
        if claims.permissions.isdisjoint(permissions):
            raise Problem(
                "identity.forbidden",
                403,
                zh="您没有执行此操作的权限",
                en="you do not have the permission for this",
                todo_zh="如需办理，请向安全管理员申请以下权限之一：" + "、".join(permissions),
                todo_en="ask the security administrator for one of: " + ", ".join(permissions),
            )
        return claims

    guard.permissions = (" | ".join(permissions),)  # type: ignore[attr-defined]
    return guard


def require_service(*names: str) -> Guard:
    """Route dependency for /internal routes: only these services, each with its own key."""

    async def guard(request: Request) -> Claims:
        claims = claims_of(request)
        if claims.service not in names:
            raise Problem(
                "identity.service_only",
                403,
                zh="该接口仅供内部服务调用",
                en="this route is for internal services only",
            )
        return claims

    guard.permissions = tuple(f"service:{name}" for name in names)  # type: ignore[attr-defined]
    return guard


def public(reason: str) -> Guard:
    """Route dependency that declares a route open to everyone, with the reason."""

    async def guard(request: Request) -> Claims:
        return Claims(sub="public", name="", org="", org_name="", region="000000", client_ip="")

    guard.permissions = (f"public:{reason}",)  # type: ignore[attr-defined]
    return guard
