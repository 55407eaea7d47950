"""Verifications on the wire."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from services.common.wire import Id, Instant, ListQuery, Text
from services.registry.claims.schemas import ClaimAction
from services.registry.presences.rules import Channel
from services.registry.schemas import RegionCode

CheckClass = Literal["dead_link", "mismatch", "not_ours"]
CheckState = Literal["due", "passed", "failed", "unclear", "cancelled"]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,20}$")]
Reason = Annotated[Text, Field(max_length=2000)]


class VerificationQuery(ListQuery):
    """Filters of the list of checks; `when` keeps those due by now, or those still to come."""

    state: CheckState = "due"
    check_class: CheckClass | None = None
    when: Literal["now", "later"] | None = None


class VerificationIn(BaseModel):
    """One check ordered by hand."""

    presence_id: Id
    check_class: CheckClass


class ResultIn(BaseModel):
    """A check's result. `version` is the one the caller saw; a stale one is refused with 409."""

    action: Code
    version: int = Field(ge=1)
    reason: Reason | None = None
    evidence_id: Id | None = None


class PlanIn(BaseModel):
    """A plan: what is checked, how often."""

    name: Annotated[Text, Field(max_length=100)]
    check_class: CheckClass
    every_days: int = Field(ge=1, le=1_000)
    region_code: RegionCode | None = None
    channel: Channel | None = None
    platform: Annotated[Text, Field(max_length=100)] | None = None
    only_claimed: bool = True


class PlanChange(BaseModel):
    """What may be changed of a plan, on the version the caller saw."""

    version: int = Field(ge=1)
    every_days: int | None = Field(None, ge=1, le=1_000)
    active: bool | None = None


class PlanOut(BaseModel):
    """One plan."""

    id: str
    name: str
    check_class: str
    class_zh: str
    class_en: str
    every_days: int
    region_code: str
    channel: str | None
    platform: str | None
    only_claimed: bool
    active: bool
    version: int
    running: bool
    planned: int
    last_run_at: Instant | None
    created_by_name: str
    created_at: Instant


class PlanList(BaseModel):
    """The plans of the caller's area."""

    items: list[PlanOut]


class VerificationRow(BaseModel):
    """One check in a list; no contacts."""

    id: str
    presence_id: str
    presence_name: str
    presence_status: str
    url: str | None
    check_class: str
    class_zh: str
    class_en: str
    state: str
    state_zh: str
    state_en: str
    version: int
    region_code: str
    authority_code: str
    due_at: Instant
    overdue: bool
    done_at: Instant | None
    actor_name: str | None


class CheckDone(BaseModel):
    """A check of the same presence, for its history."""

    id: str
    check_class: str
    class_zh: str
    class_en: str
    state: str
    state_zh: str
    state_en: str
    reason: str | None
    evidence_id: str | None
    actor: str | None
    org_code: str | None
    org_name: str | None
    due_at: Instant
    at: Instant | None


class StatusStepOut(BaseModel):
    """One change of a presence's standing in the registry."""

    seq: int
    action: str
    zh: str
    en: str
    from_status: str
    from_zh: str
    to_status: str
    to_zh: str
    reason_code: str | None
    reason_zh: str | None
    reason_en: str | None
    reason: str | None
    verification_id: str | None
    actor: str
    org_code: str
    org_name: str
    at: Instant


class StandingOut(BaseModel):
    """A presence's standing in the registry: its checks, what was weeded and restored, what can be done."""

    presence_id: str
    presence_name: str
    status: str
    status_zh: str
    status_en: str
    checks: list[CheckDone]
    history: list[StatusStepOut]
    actions: list[ClaimAction]


class VerificationOut(VerificationRow):
    """One check in full, with its presence's standing."""

    reason: str | None
    evidence_id: str | None
    claim_state: str
    claim_zh: str
    claim_en: str
    actions: list[ClaimAction]
    standing: StandingOut


class WeedingIn(BaseModel):
    """Presences to take out of the registry, or to put back. `dry_run` only says what would happen."""

    action: Literal["weed", "restore"]
    ids: list[Id] = Field(min_length=1, max_length=1000)
    reason_code: Code | None = None
    reason: Reason
    dry_run: bool = False


class LeftOut(BaseModel):
    """Presences left as they are, and why."""

    code: str
    zh: str
    en: str
    count: int
    sample: list[str]


class WeedingOut(BaseModel):
    """What was done, or would be."""

    change: int
    sample: list[str]
    skipped: list[LeftOut]
    dry_run: bool


class WeededRow(BaseModel):
    """A presence that was weeded out, with why and by whom."""

    id: str
    name: str
    region_code: str
    reason_code: str | None
    reason_zh: str | None
    reason_en: str | None
    reason: str | None
    actor: str | None
    at: Instant | None


class CheckCount(BaseModel):
    """How many checks of a class are due, overdue, and how they ended."""

    check_class: str
    zh: str
    en: str
    states: dict[str, int]
    overdue: int


class CheckCounts(BaseModel):
    """Counts by class, for the caller's area."""

    items: list[CheckCount]
