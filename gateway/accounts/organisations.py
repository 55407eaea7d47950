"""The registry's organisations, asked for when an account is made."""

from dataclasses import replace

from gateway.accounts.schemas import OrganisationChoice
from services.common.client import ServiceClient
from services.common.identity import TokenIssuer, system_claims
from services.common.problems import Problem
from services.common.settings import Settings

_NOT_FOUND = 404


class Organisations:
    """Looks organisations up in the registry service, for the gateway itself (its administrators see no
    registry).
    """

    def __init__(self, settings: Settings, issuer: TokenIssuer) -> None:
        self._settings, self._issuer = settings, issuer

    async def named(self, org_code: str) -> str:
        """The name of the organisation with this code. Raises Problem 422 for an unknown one, 503 without
        registry.
        """
        async with ServiceClient(self._settings, caller="gateway", target="registry") as registry:
            try:
                answer = await registry.request("GET", f"/internal/organisations/{org_code}")
            except Problem as problem:
                if problem.status == _NOT_FOUND:
                    raise _unknown(org_code) from None
                raise
        return str(answer.json()["name"])

    async def search(self, q: str | None, under: str) -> list[OrganisationChoice]:
        """Organisations below region `under` whose name or code holds `q`, at most 50."""
        claims = replace(system_claims("gateway"), region=under, permissions=frozenset({"registry:read"}))
        caller = replace(claims, token=self._issuer.issue(claims))
        given = {"limit": "50", "under": under, **({"q": q} if q else {})}
        async with ServiceClient(self._settings, caller="gateway", target="registry") as registry:
            answer = await registry.request("GET", "/organisations", on_behalf=caller, params=given)
        return [OrganisationChoice(code=item["code"], name=item["name"]) for item in answer.json()["items"]]


def _unknown(org_code: str) -> Problem:
    return Problem(
        "user.org_unknown",
        422,
        zh=f"没有代码为 {org_code} 的机构",
        en=f"there is no organisation with the code {org_code}",
        todo_zh="请从机构列表中选择",
        todo_en="choose from the list of organisations",
    )
