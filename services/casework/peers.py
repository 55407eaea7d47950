"""What casework asks of other services: evidence by the caller's own right, authorities by its own."""

import asyncio
from dataclasses import dataclass
from typing import Any

from services.common.client import ServiceClient
from services.common.identity import Claims
from services.common.problems import Problem
from services.common.settings import Settings
from services.registry.client import RegistryClient

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class EvidenceSummary:
    """What a clue keeps of an evidence item; digests as the evidence service gave them, lowercase hex."""

    evidence_id: str
    evidence_no: str | None
    title: str | None
    outcome: str | None
    sha256: str | None
    sm3: str | None


class Peers:
    """Clients of the services casework stands on, opened once a process."""

    def __init__(self, settings: Settings) -> None:
        self.registry = RegistryClient(settings, caller="casework")
        self._evidence = ServiceClient(settings, caller="casework", target="evidence")

    async def evidence(self, ids: list[str], claims: Claims) -> list[EvidenceSummary]:
        """Summaries in the order of `ids`, each read with the caller's own token.

        Raises Problem 422 `clue.evidence_not_visible` naming those the caller may not see, 503 when the
        evidence service does not answer.
        """
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(evidence_id: str) -> EvidenceSummary | None:
            async with gate:
                return await self._one(evidence_id, claims)

        found = await asyncio.gather(*(one(evidence_id) for evidence_id in ids))
        hidden = [wanted for wanted, summary in zip(ids, found, strict=True) if summary is None]
        if hidden:
            raise Problem(
                "clue.evidence_not_visible",
                422,
                zh="所附证据不存在，或您无权查看",
                en="some of the evidence does not exist or is not visible to you",
                todo_zh="请只附本单位可查看的证据",
                todo_en="attach only evidence you can open",
                extra={"evidence_ids": hidden},
            )
        return [summary for summary in found if summary is not None]

    async def _one(self, evidence_id: str, claims: Claims) -> EvidenceSummary | None:
        try:
            response = await self._evidence.request("GET", f"/evidence/{evidence_id}", on_behalf=claims)
        except Problem as problem:
            if problem.status in {403, 404}:
                return None
            raise
        body: dict[str, Any] = response.json()
        package: dict[str, Any] = body.get("package") or {}
        return EvidenceSummary(
            evidence_id=evidence_id,
            evidence_no=body.get("evidence_no"),
            title=body.get("title"),
            outcome=body.get("outcome"),
            sha256=package.get("sha256"),
            sm3=package.get("sm3"),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.registry.close()
        await self._evidence.close()
