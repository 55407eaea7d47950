"""The registry's organisations, asked for when an account is made."""

from services.common.client import ServiceClient
from services.common.problems import Problem
from services.common.settings import Settings

_NOT_FOUND = 404


class Organisations:
    """Looks organisations up in the registry service, for the gateway itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def named(self, org_code: str) -> str:
        """The name of the organisation with this code.

        Raises Problem 422 `user.org_unknown`, or 503 when the registry does not answer.
        """
        async with ServiceClient(self._settings, caller="gateway", target="registry") as registry:
            try:
                answer = await registry.request("GET", f"/internal/organisations/{org_code}")
            except Problem as problem:
                if problem.status == _NOT_FOUND:
                    raise _unknown(org_code) from None
                raise
        return str(answer.json()["name"])


def _unknown(org_code: str) -> Problem:
    return Problem(
        "user.org_unknown",
        422,
        zh=f"没有代码为 {org_code} 的机构",
        en=f"there is no organisation with the code {org_code}",
        todo_zh="请从机构列表中选择",
        todo_en="choose from the list of organisations",
    )
