"""Claims on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from services.common.wire import Id, Instant, ListQuery, SearchText, Text
from services.registry.presences.rules import Channel
from services.registry.schemas import RegionCode

Code = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,20}$")]
OrgCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,40}$")]
Reason = Annotated[Text, Field(max_length=2000)]
BulkAction = Literal["offer", "reoffer", "pool", "claim", "reject", "weed", "restore"]
Standing = Literal["active", "dead", "weeded"]
ClaimState = Literal[
    "imported", "matched", "candidate", "offered", "claimed", "rejected", "reoffered", "pool"
]


class Selection(BaseModel):
    """Which presences are meant: by number, or by what they have in common; all given conditions hold."""

    ids: list[Id] | None = Field(None, max_length=1000)
    states: list[ClaimState] = Field(default_factory=list, max_length=8)
    region_code: RegionCode | None = None
    match_code: OrgCode | None = None
    offered_code: OrgCode | None = None
    min_confidence: int | None = Field(None, ge=0, le=100)
    channel: Channel | None = None
    platform: Annotated[str, StringConstraints(max_length=100)] | None = None
    import_id: Id | None = None
    status: Standing | None = None
    q: SearchText | None = None


class ClaimQuery(ListQuery):
    """What a list of claims may be narrowed by. `inbox` keeps the open offers to the caller's authority."""

    state: ClaimState | None = None
    region_code: RegionCode | None = None
    match_code: OrgCode | None = None
    min_confidence: int | None = Field(None, ge=0, le=100)
    channel: Channel | None = None
    inbox: bool = False


class ClaimIn(BaseModel):
    """One step asked for. `version` is the one the caller saw; a stale one is refused with 409."""

    action: Code
    version: int = Field(ge=0)
    org_code: OrgCode | None = None
    basis: Code | None = None
    reason_code: Code | None = None
    reason: Reason | None = None


class OrderIn(BaseModel):
    """What is to be done with many presences; `as_matched` offers each to the authority it was matched to.

    `weed` and `restore` change whether they stand in the registry (docs/registry/jurisdiction.md).
    """

    action: BulkAction
    org_code: OrgCode | None = None
    as_matched: bool = False
    basis: Code | None = None
    reason_code: Code | None = None
    reason: Reason | None = None


class BulkIn(BaseModel):
    """An order and the presences it is for."""

    order: OrderIn
    selection: Selection

    @model_validator(mode="after")
    def _named(self) -> "BulkIn":
        chosen = self.selection.model_dump(exclude_none=True, exclude_defaults=True)
        if not chosen:
            raise ValueError("the selection names nothing")
        return self


class JobIn(BulkIn):
    """The same as a job. `key` is the caller's own name for it; `expected` the count the preview gave."""

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    expected: int | None = Field(None, ge=0)


class MatchIn(BaseModel):
    """A run of the automatic matching, over one import or all that is not yet matched."""

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    import_id: Id | None = None


class ClaimChoice(BaseModel):
    """One of the values a field takes."""

    code: str
    zh: str
    en: str


class ClaimField(BaseModel):
    """A value a step takes."""

    name: str
    zh: str
    en: str
    kind: str
    required: bool
    choices: list[ClaimChoice]


class ClaimAction(BaseModel):
    """A step this caller can take now."""

    action: str
    zh: str
    en: str
    target: str
    article: str
    fields: list[ClaimField]


class ClaimRow(BaseModel):
    """A presence in a list of claims; no contacts."""

    id: str
    name: str
    channel: str
    channel_zh: str
    channel_en: str
    platform: str | None
    state: str
    state_zh: str
    state_en: str
    version: int
    status: str
    region_code: str
    authority_code: str
    offered_code: str | None
    match_code: str | None
    match_confidence: int | None
    claim_at: Instant | None


class ClaimStepOut(BaseModel):
    """One step that was taken, with its article, ground and author."""

    seq: int
    version: int
    action: str
    zh: str
    en: str
    from_state: str
    from_zh: str
    to_state: str
    to_zh: str
    authority_before: str
    authority_code: str
    offered_code: str | None
    article: str
    basis: str | None
    basis_zh: str | None
    basis_en: str | None
    reason_code: str | None
    reason_zh: str | None
    reason_en: str | None
    reason: str | None
    confidence: int | None
    job_id: str | None
    actor: str
    org_code: str
    org_name: str
    at: Instant


class ClaimPeriod(BaseModel):
    """From when to when an authority answered for a presence, and on what ground; `until` is None now."""

    authority_code: str
    since: Instant
    until: Instant | None
    basis: str | None
    assigned_by: str


class ClaimOut(ClaimRow):
    """A presence's jurisdiction in full."""

    url: str | None
    licence: str | None
    subject_id: str | None
    created_at: Instant
    actions: list[ClaimAction]
    history: list[ClaimStepOut]
    periods: list[ClaimPeriod]


class SkippedOut(BaseModel):
    """Presences an order would leave as they are, and why."""

    code: str
    zh: str
    en: str
    count: int
    sample: list[str]


class ClaimPreview(BaseModel):
    """What an order would do: how many it would change, where they would go, what it would skip and why."""

    total: int
    change: int
    sample: list[ClaimRow]
    skipped: list[SkippedOut]
    by_authority: dict[str, int]


class ClaimJobOut(BaseModel):
    """An order over many presences and how far it is."""

    id: str
    kind: str
    state: str
    order: dict[str, Any]
    selection: dict[str, Any]
    total: int
    done: int
    changed: int
    skipped: list[SkippedOut]
    error: str | None
    created_by_name: str
    org_code: str
    created_at: Instant
    finished_at: Instant | None


class CountOut(BaseModel):
    """How many presences of a region stand in a state."""

    region_code: str
    state: str
    count: int


class CountList(BaseModel):
    """Counts by region and state, for the caller's area."""

    items: list[CountOut]
    states: list[ClaimChoice]
