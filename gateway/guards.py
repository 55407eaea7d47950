"""Route guards of the gateway's own routes, beside those of services.common.identity."""

from fastapi import Request

from services.common.identity import Claims, Guard, claims_of
from services.common.problems import Problem


def any_of(*permissions: str) -> Guard:
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


def signed_in() -> Guard:
    """Route dependency: anyone who is signed in, for what concerns nobody but the caller."""

    async def guard(request: Request) -> Claims:
        return claims_of(request)

    guard.permissions = ("signed-in",)  # type: ignore[attr-defined]
    return guard
