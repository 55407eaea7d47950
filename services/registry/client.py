"""The registry as other services see it: the only module of it they may import."""

import time
from dataclasses import dataclass
from typing import Any

from services.common.client import ServiceClient
from services.common.problems import Problem
from services.common.settings import Settings

_CACHE_SECONDS = 300.0
_CACHE_SIZE = 5_000


@dataclass(frozen=True, slots=True)
class OrganisationRef:
    """What others need of an authority."""

    code: str
    name: str
    level: str
    region_code: str
    parent_code: str | None


class RegistryClient:
    """Reads authorities as service `caller`; remembers each for five minutes (they hardly ever change)."""

    def __init__(self, settings: Settings, *, caller: str) -> None:
        self._client = ServiceClient(settings, caller=caller, target="registry")
        self._known: dict[str, tuple[float, OrganisationRef]] = {}

    async def organisation(self, code: str) -> OrganisationRef:
        """The authority with this code.

        Raises Problem 422 `organisation.unknown` when there is none, 503 `upstream.unavailable` when the
        registry does not answer.
        """
        known = self._known.get(code)
        if known and known[0] > time.monotonic():
            return known[1]
        if not code.replace("-", "").isalnum() or not code.isascii():
            raise _unknown(code)
        try:
            response = await self._client.request("GET", f"/internal/organisations/{code}")
        except Problem as problem:
            if problem.status == 404:
                raise _unknown(code) from problem
            raise
        body: dict[str, Any] = response.json()
        reference = OrganisationRef(
            code=body["code"],
            name=body["name"],
            level=body["level"],
            region_code=body["region_code"],
            parent_code=body["parent_code"],
        )
        if len(self._known) >= _CACHE_SIZE:
            self._known.clear()
        self._known[code] = (time.monotonic() + _CACHE_SECONDS, reference)
        return reference

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _unknown(code: str) -> Problem:
    return Problem(
        "organisation.unknown",
        422,
        zh="没有这个机构",
        en="no such organisation",
        todo_zh="请从机构列表中选择",
        todo_en="choose one from the list of organisations",
        extra={"org_code": code[:40]},
    )
