"""What officers are told: values that became hubs or ceased to be, agents, clusters of unusual size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.findings.rules import Code as Finding
from services.registry.findings.rules import Raised
from services.registry.findings.service import raise_findings
from services.registry.linking import rules
from services.registry.linking.repository import Value
from services.registry.linking.rules import Code


@dataclass(frozen=True)
class Before:
    """What was stored about a value."""

    holders: int
    hub: bool
    reason: dict[str, Any]


@dataclass(frozen=True)
class Change:
    """A value as it was (`before`: its stored row, if any) and as it is."""

    value: Value
    before: Any
    holders: int
    hub: bool
    reason: dict[str, Any]

    @property
    def turned(self) -> bool:
        """Whether links were withdrawn or came back."""
        return self.before is not None and self.before.hub != self.hub

    @property
    def agent(self) -> bool:
        """Whether it has just become a hub that many shops show."""
        was = self.before is not None and self.before.hub and self.before.holders >= rules.AGENT
        return self.hub and self.holders >= rules.AGENT and not was and self.reason["code"] != Code.BRIDGE


async def notice(session: AsyncSession, changes: Sequence[Change]) -> None:
    """Raise findings on values that became hubs, ceased to be, or are agents' now."""
    raised = [
        _raised(change, Finding.BECAME_HUB if change.hub else Finding.NO_LONGER_HUB)
        for change in changes
        if change.turned and Code.BRIDGE not in (change.reason["code"], change.before.reason["code"])
    ]
    raised += [_raised(change, Finding.SHARED_AGENT) for change in changes if change.agent]
    await raise_findings(session, raised)


def recorded(change: Change) -> dict[str, Any]:
    """What is kept of a value that turned, by column of `link_changes`."""
    linked = change.before.holders if change.hub else change.holders
    return {
        "kind": change.value[0],
        "key": change.value[1],
        "hub": change.hub,
        "holders": change.holders,
        "pairs": linked * (linked - 1) // 2,
        "before": change.before.reason,
        "reason": change.reason,
    }


def _raised(change: Change, code: Finding) -> Raised:
    kind, key = change.value
    return Raised(code, f"{kind}:{key}", kind=kind, key=key, detail=change.reason)


async def too_large(session: AsyncSession, clusters: Sequence[tuple[int, int]]) -> None:
    """Raise a finding for each (cluster, shops)."""
    found = [
        Raised(
            Finding.CLUSTER_TOO_LARGE,
            str(name),
            shops=(name,),
            detail={"shops": size, "rule": rules.RULE_VERSION},
        )
        for name, size in clusters
    ]
    await raise_findings(session, found)
