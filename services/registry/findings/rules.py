"""发现规则 what kinds of findings there are, and which authorities one concerns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from services.common.scope import region_prefix

SHOPS_NAMED: Final = 100


class Code(StrEnum):
    """What was noticed."""

    SHARED_AGENT = "value.shared_agent"
    BECAME_HUB = "value.became_hub"
    NO_LONGER_HUB = "value.no_longer_hub"
    CLUSTER_TOO_LARGE = "cluster.too_large"
    JUDGEMENT_CONFLICT = "judgement.conflict"
    EXCHANGE_MATCH = "exchange.match"


LABELS: Final[dict[str, tuple[str, str]]] = {
    Code.SHARED_AGENT: (
        "疑似共用代办：互不相关的网店共用同一信息",
        "shared agent of unrelated shops",
    ),
    Code.BECAME_HUB: ("该值已成为枢纽值，由其形成的关联已撤回", "a value became a hub; links withdrawn"),
    Code.NO_LONGER_HUB: ("该值不再是枢纽值，重新形成关联", "a value is a hub no longer; links again"),
    Code.CLUSTER_TOO_LARGE: ("网店群组异常庞大，需人工核查", "a cluster of unusual size; look at it"),
    Code.JUDGEMENT_CONFLICT: ("人工判定相互矛盾", "judgements contradict each other"),
    Code.EXCHANGE_MATCH: ("与外地区比对出相同信息", "values in common with another region"),
    "platform_report.late": ("平台报送逾期", "a platform reported late"),
    "platform_report.missing": ("平台到期未报送", "a platform did not report"),
    "platform_report.short": ("平台报送数量明显偏少", "a platform reported far fewer shops than known"),
    "platform_report.false_rows": ("平台报送内容疑似不实", "a platform's report looks false"),
}


class State(StrEnum):
    """What an authority did with a finding."""

    NEW = "new"
    SEEN = "seen"
    SETTLED = "settled"


STATE_LABELS: Final[dict[State, tuple[str, str]]] = {
    State.NEW: ("未查看", "new"),
    State.SEEN: ("已查看", "seen"),
    State.SETTLED: ("已处理", "settled"),
}


@dataclass(frozen=True, slots=True)
class Raised:
    """A finding to raise. `subject_key` names what it is about, so that the same thing is raised once.

    kind, key: the value, when it is about one; shops: numbers of the presences it names; regions: divisions
    it concerns beside those of the shops; detail: counts and short facts without personal data: different
    detail makes a known finding new again.
    """

    code: str
    subject_key: str
    kind: int | None = None
    key: int | None = None
    shops: Sequence[int] = ()
    regions: Sequence[str] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


def label(code: str) -> tuple[str, str]:
    """The finding's name; the code itself where another part of the registry raised its own kind."""
    return LABELS.get(code, (code, code))


def value_key(kind: int, key: int) -> str:
    """The `subject_key` of a finding about a value."""
    return f"{kind}:{key}"


def places(region_codes: Iterable[str]) -> list[str]:
    """The prefixes of these divisions and of all above them (GB/T 2260: 360121 → 36, 3601, 360121)."""
    found: set[str] = set()
    for code in region_codes:
        prefix = region_prefix(code)
        found.update(prefix[:length] for length in (2, 4, 6) if length <= len(prefix))
    return sorted(found)
