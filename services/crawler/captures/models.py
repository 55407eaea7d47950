"""Captures and their steps as kept."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, ForeignKey, Index, Integer, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.crawler.base import Base


class Capture(Base):
    """An order to capture a page, and how it went. The row is the truth; queue messages are hints.

    A worker holds the row by a lease; `attempt` fences off a worker that lost its lease. `envelope` is the
    signed manifest: once it is here the page is never captured again, only upload and sealing go on.
    """

    __tablename__ = "captures"
    __table_args__ = (
        Index("ix_captures_region", "region_code", "id"),
        Index("ix_captures_open", "lease_until", postgresql_where=text("state IN ('queued', 'running')")),
        Index(
            "uq_captures_idempotency", "ordered_sub", "idempotency_key", unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10), server_default="queued")
    outcome: Mapped[str | None] = mapped_column(String(10))
    reason: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    last_error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    title: Mapped[str | None] = mapped_column(Text)
    evidence_no: Mapped[str | None] = mapped_column(String(30))
    package_sha256: Mapped[str | None] = mapped_column(String(64))
    package_sm3: Mapped[str | None] = mapped_column(String(64))
    package_bytes: Mapped[int | None] = mapped_column(BigInteger)
    ordered_by: Mapped[dict[str, Any]] = mapped_column(JSONB)
    ordered_sub: Mapped[str] = mapped_column(String(80))
    idempotency_key: Mapped[str | None] = mapped_column(String(80))
    org_code: Mapped[str] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(String(6))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cancel_requested: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    sent_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    not_before: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    crashes: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    lease_owner: Mapped[str | None] = mapped_column(String(120))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    beacon: Mapped[str | None] = mapped_column(Text)
    order_leaf: Mapped[str | None] = mapped_column(String(64))
    envelope: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
    artefacts: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)


class CaptureStep(Base):
    """One step of a capture as people see it; `seq` only grows, also over attempts."""

    __tablename__ = "capture_steps"

    capture_id: Mapped[str] = mapped_column(String(26), ForeignKey("captures.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    op: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10))
    zh: Mapped[str] = mapped_column(Text)
    en: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ms: Mapped[int | None] = mapped_column(Integer)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)


class CaptureWorker(Base):
    """A capture worker that reported lately, and how well its browser is jailed."""

    __tablename__ = "capture_workers"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
