"""Tables of claims: what a presence keeps of its jurisdiction, its history, and jobs over many presences."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Identity,
    Index,
    Integer,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Owned


class Claimed:
    """What a presence keeps of its jurisdiction beside `authority_code` and `claim_state`.

    `offered_code`: the authority asked to claim it; `assigner_code`: who asked; `match_code`,
    `match_confidence`: where its address points to and how sure (0–100); `claim_version` grows by one a step.
    """

    claim_version: Mapped[int] = mapped_column(Integer, server_default="0")
    claim_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    offered_code: Mapped[str | None] = mapped_column(String(40))
    assigner_code: Mapped[str | None] = mapped_column(String(40))
    match_code: Mapped[str | None] = mapped_column(String(40))
    match_confidence: Mapped[int | None] = mapped_column(SmallInteger)


CLAIM_INDEXES = (("ix_presences_claim", ("claim_state", "region_code", "no")),)


class ClaimStep(Base):
    """One step of a presence's jurisdiction; no version has two. Rows are never changed: triggers."""

    __tablename__ = "claim_steps"
    __table_args__ = (UniqueConstraint("presence_no", "version"),)

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    presence_no: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(Integer)
    machine_version: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(20))
    from_state: Mapped[str] = mapped_column(String(20))
    to_state: Mapped[str] = mapped_column(String(20))
    authority_before: Mapped[str] = mapped_column(String(40))
    authority_code: Mapped[str] = mapped_column(String(40))
    offered_code: Mapped[str | None] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(String(6))
    basis: Mapped[str | None] = mapped_column(String(20))
    reason_code: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(2000))
    confidence: Mapped[int | None] = mapped_column(SmallInteger)
    job_id: Mapped[str | None] = mapped_column(String(26))
    actor: Mapped[str] = mapped_column(String(80))
    actor_name: Mapped[str] = mapped_column(String(80))
    org_code: Mapped[str] = mapped_column(String(40))
    org_name: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ClaimJob(Owned, Base):
    """One order for many presences: whose, what, which, how far.

    `key` is the caller's own name for it: asked for twice it is one job. `upto` is the highest number that
    existed when it was ordered, `cursor` the last one done; it moves in the transaction of the steps.
    """

    __tablename__ = "claim_jobs"
    __table_args__ = (
        UniqueConstraint("created_by", "key"),
        Index("ix_claim_jobs_open", "id", postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_claim_jobs_region_id", "region_code", "id"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10))
    caller: Mapped[dict[str, Any]] = mapped_column(JSONB)
    order: Mapped[dict[str, Any]] = mapped_column("command", JSONB)
    selection: Mapped[dict[str, Any]] = mapped_column(JSONB)
    upto: Mapped[int] = mapped_column(BigInteger)
    cursor: Mapped[int] = mapped_column(BigInteger, server_default="0")
    total: Mapped[int] = mapped_column(Integer, server_default="0")
    done: Mapped[int] = mapped_column(Integer, server_default="0")
    changed: Mapped[int] = mapped_column(Integer, server_default="0")
    skipped: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    error: Mapped[str | None] = mapped_column(String(500))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
