"""Who may read the directory of regions and authorities."""

from fastapi import Request

from services.common.identity import Claims, claims_of
from services.common.problems import Problem

# Officers hand work to authorities; administrators put people into them. Both choose from the directory.
DIRECTORY_READERS = ("registry:read", "user:manage", "role:grant")


async def directory_reader(request: Request) -> Claims:
    """Route dependency: the caller holds one of `DIRECTORY_READERS`. Raises Problem 403 otherwise."""
    claims = claims_of(request)
    if claims.permissions.isdisjoint(DIRECTORY_READERS):
        raise Problem(
            "identity.forbidden",
            403,
            zh="您没有查看机构与区划的权限",
            en="you may not read the directory of authorities",
            todo_zh="如需办理，请向安全管理员申请权限",
            todo_en="ask the security administrator",
        )
    return claims


# Declared for the start-up check that refuses routes without a permission.
directory_reader.permissions = DIRECTORY_READERS  # type: ignore[attr-defined]
