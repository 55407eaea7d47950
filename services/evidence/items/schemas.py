"""Evidence items as the screens see them."""

from typing import Any

from pydantic import BaseModel, Field

from services.evidence.renewals.schemas import RenewalOut
from services.evidence.retention.schemas import RetentionOut


class SealIn(BaseModel):
    """The worker's signed manifest: a DSSE envelope."""

    envelope: dict[str, Any]


class ItemRow(BaseModel):
    """An item in a list."""

    id: str
    evidence_no: str | None
    stage: str
    title: str
    requested_url: str
    final_url: str | None
    http_status: int | None
    outcome: str
    captured_at: str
    signed_at: str
    sealed_at: str | None
    ordered_by: dict[str, str]
    org_code: str
    region_code: str


class PackageOut(BaseModel):
    """The package's digests (null until sealed)."""

    sha256: str | None
    sm3: str | None
    bytes: int | None


class ArtefactOut(BaseModel):
    """One artefact as the manifest lists it."""

    path: str
    role: str
    media_type: str
    bytes: int
    sha256: str
    sm3: str


class RequiredOut(BaseModel):
    """What this installation asks for before it calls an item sealed: how many operators of each kind."""

    authorities: int
    custodians: int
    custodian_names: list[str]
    stamp_warn_seconds: int = Field(description="an item signed for longer and not stamped is said loudly")
    stamp_limit_seconds: int = Field(description="from then on no new captures are taken")


class SealsOut(BaseModel):
    """What seals the item."""

    signatures: list[dict[str, Any]]
    timestamps: list[dict[str, Any]]
    timestamp: dict[str, Any] | None = Field(description="the first time stamp, for short displays")
    log: dict[str, Any] | None
    custodian: dict[str, Any] | None = Field(description="the first custodian's receipt")
    custodians: list[dict[str, Any]]
    required: RequiredOut


class ItemOut(ItemRow):
    """An item with everything on its screen."""

    package: PackageOut
    facts: dict[str, Any]
    reason: dict[str, Any] | None
    missing: list[Any]
    artefacts: list[ArtefactOut]
    seals: SealsOut
    retention: RetentionOut | None
    renewal: RenewalOut | None = Field(description="none while the first time stamps need no renewal")
    last_error: dict[str, Any] | None
