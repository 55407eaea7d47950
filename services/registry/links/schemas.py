"""Links on the wire."""

from typing import Any

from pydantic import BaseModel, Field

from services.common.wire import Instant
from services.registry.judgements.rules import Verdict
from services.registry.judgements.schemas import ConflictOut
from services.registry.links.rules import Gone, Standing, Status


class LinkShop(BaseModel):
    """A shop as links name it."""

    id: str
    name: str
    platform: str | None
    region_code: str


class KindOut(BaseModel):
    """A kind of identifier."""

    kind: int
    zh: str
    en: str


class ValueFact(KindOut):
    """A value the shop shows: what it is, how many shops hold it, whether it may link."""

    value_id: str
    masked: str
    source: str
    holders: int
    hub: bool
    why_zh: str = Field(description="what the linking decided about the value, in words")
    why_en: str
    reason: dict[str, Any]
    decided_at: Instant | None
    first_seen: Instant
    last_seen: Instant


class LinkedShop(BaseModel):
    """A shop of the caller's region that is linked to this one."""

    shop: LinkShop
    weight: float
    kinds: list[KindOut]
    values: int
    verdict: Verdict | None
    same_cluster: bool


class Elsewhere(BaseModel):
    """That there are linked shops in a division outside the caller's region, and whom to ask."""

    region_code: str
    region_name: str
    org_code: str | None
    org_name: str | None
    count: int


class GoneLink(BaseModel):
    """A link there was and is no more."""

    shop: LinkShop
    kinds: list[KindOut]
    reasons: list[Gone]
    zh: list[str]
    en: list[str]
    at: Instant | None


class ClusterRef(BaseModel):
    """The cluster a shop belongs to."""

    id: int
    size: int
    capped: bool


class LinkPage(BaseModel):
    """One hop around a shop."""

    shop: LinkShop
    values: list[ValueFact]
    linked: list[LinkedShop]
    more: bool = Field(description="more neighbours than are shown")
    elsewhere: list[Elsewhere]
    gone: list[GoneLink]
    conflicts: list[ConflictOut]
    cluster: ClusterRef | None
    rule_version: str


class Side(BaseModel):
    """One shop's side of a shared value: its raw form, masked or revealed, and when it was seen."""

    form: str
    source: str
    first_seen: Instant
    last_seen: Instant
    ended_at: Instant | None


class SharedValue(KindOut):
    """A value both shops hold or held."""

    value_id: str
    standing: Standing
    standing_zh: str
    standing_en: str
    others: int = Field(description="how many further shops hold it")
    why_zh: str
    why_en: str
    since: Instant
    until: Instant
    ended_at: Instant | None
    reason: dict[str, Any]
    a: Side
    b: Side


class Explanation(BaseModel):
    """Why two shops are linked, or are not."""

    a: LinkShop
    b: LinkShop
    status: Status
    zh: str
    en: str
    weight: float
    values: list[SharedValue]
    gone: list[Gone]
    gone_zh: list[str]
    gone_en: list[str]
    verdict: Verdict | None
    judgement_reason: str | None
    judged_by: str | None
    judged_at: Instant | None
    same_cluster: bool
    rule_version: str
    revealed: bool


class Node(BaseModel):
    """A shop in a graph; outside the caller's region only the division is told."""

    no: int = Field(description="within this answer only")
    shop: LinkShop | None
    region_code: str


class GraphEdge(BaseModel):
    """A link in a graph; its kinds only where the caller may see both shops."""

    a: int
    b: int
    weight: float | None
    kinds: list[KindOut]
    verdict: Verdict | None
    bridge: bool = Field(description="without it the group falls apart")


class ClusterOut(BaseModel):
    """A cluster as a graph."""

    size: int
    capped: bool
    nodes: list[Node]
    edges: list[GraphEdge]
    elsewhere: list[Elsewhere]
    conflicts: list[ConflictOut]
    rule_version: str


class PathOut(BaseModel):
    """The strongest chain between two shops of one cluster, and the edge it hangs on."""

    together: bool
    nodes: list[Node]
    edges: list[GraphEdge]
    weakest: int | None = Field(description="index of the weakest edge")
    single_weak_bridge: bool = Field(description="the weakest edge alone holds both together")
    rule_version: str
