"""Captures as they cross the wire."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer

from services.common.clock import rfc3339
from services.crawler.captures.models import Capture, CaptureStep


class CaptureOrder(BaseModel):
    """What an officer orders. `reason`: what the evidence is for."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=4096)
    reason: str = Field("", max_length=2000)


class StepOut(BaseModel):
    """One step; `ms` is its duration once it ended."""

    seq: int
    op: str
    state: Literal["running", "done", "failed"]
    zh: str
    en: str
    at: datetime
    ms: int | None
    detail: dict[str, Any]

    @field_serializer("at")
    def _time(self, value: datetime) -> str:
        return rfc3339(value)

    @classmethod
    def of(cls, row: CaptureStep) -> "StepOut":
        """From the table."""
        return cls.model_validate(row, from_attributes=True)


class CaptureOut(BaseModel):
    """A capture. `evidence_id` is its own id; `sha256` and `sm3` are the sealed package's."""

    id: str
    url: str
    purpose: str
    title: str | None
    state: Literal["queued", "running", "sealed", "failed", "cancelled"]
    outcome: Literal["COMPLETE", "PARTIAL", "BLOCKED", "FAILED"] | None
    reason: dict[str, str] | None
    evidence_id: str
    evidence_no: str | None
    sha256: str | None
    sm3: str | None
    bytes: int | None
    ordered_by: dict[str, str]
    org_code: str
    region_code: str
    created_at: datetime
    finished_at: datetime | None
    steps: list[StepOut]

    @field_serializer("created_at", "finished_at")
    def _time(self, value: datetime | None) -> str | None:
        return rfc3339(value) if value else None

    @classmethod
    def of(cls, row: Capture, steps: list[CaptureStep]) -> "CaptureOut":
        """From the tables."""
        return cls(
            id=row.id,
            url=row.url,
            purpose=row.purpose,
            title=row.title,
            state=row.state,
            outcome=row.outcome,
            # While it waits to be tried again, what went wrong of ours is the reason to show.
            reason=row.last_error if row.state == "queued" else row.reason,
            evidence_id=row.id,
            evidence_no=row.evidence_no,
            sha256=row.package_sha256,
            sm3=row.package_sm3,
            bytes=row.package_bytes,
            ordered_by=row.ordered_by,
            org_code=row.org_code,
            region_code=row.region_code,
            created_at=row.created_at,
            finished_at=row.finished_at,
            steps=[StepOut.of(step) for step in steps],
        )
