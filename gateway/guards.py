"""Route guards of the gateway's own routes, beside those of services.common.identity."""

from fastapi import Request

from services.common.identity import Claims, Guard, claims_of


def signed_in() -> Guard:
    """Route dependency: anyone who is signed in, for what concerns nobody but the caller."""

    async def guard(request: Request) -> Claims:
        return claims_of(request)

    guard.permissions = ("signed-in",)  # type: ignore[attr-defined]
    return guard
