"""Tables of verifications: plans, single checks, and the history of what was weeded out and restored."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, DateTime, Identity, Index, Integer, String, text, true
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Owned


class VerificationPlan(Owned, Base):
    """What is checked how often: presences of an area, channel or platform, every so many days."""

    __tablename__ = "verification_plans"
    __table_args__ = (Index("ix_verification_plans_region_id", "region_code", "id"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    check_class: Mapped[str] = mapped_column(String(20))
    every_days: Mapped[int] = mapped_column(Integer)
    channel: Mapped[str | None] = mapped_column(String(20))
    platform: Mapped[str | None] = mapped_column(String(100))
    only_claimed: Mapped[bool] = mapped_column(Boolean, server_default=true())
    active: Mapped[bool] = mapped_column(Boolean, server_default=true())
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    last_run_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cursor: Mapped[int] = mapped_column(BigInteger, server_default="0")
    upto: Mapped[int | None] = mapped_column(BigInteger)
    planned: Mapped[int] = mapped_column(Integer, server_default="0")
    created_by_name: Mapped[str] = mapped_column(String(80))


class Verification(Base):
    """One check of one presence. `region_code` follows the presence while it is due; `version` grows."""

    __tablename__ = "verifications"
    __table_args__ = (
        Index(
            "uq_verifications_open",
            "presence_no",
            "check_class",
            unique=True,
            postgresql_where=text("state = 'due'"),
        ),
        Index("ix_verifications_list", "state", "region_code", "due_at", "id"),
        Index("ix_verifications_done", "presence_no", "check_class", "done_at"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    presence_no: Mapped[int] = mapped_column(BigInteger)
    check_class: Mapped[str] = mapped_column(String(20))
    plan_id: Mapped[str | None] = mapped_column(String(26))
    region_code: Mapped[str] = mapped_column(String(6))
    state: Mapped[str] = mapped_column(String(20))
    version: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reason: Mapped[str | None] = mapped_column(String(2000))
    evidence_id: Mapped[str | None] = mapped_column(String(26))
    actor: Mapped[str | None] = mapped_column(String(80))
    actor_name: Mapped[str | None] = mapped_column(String(80))
    org_code: Mapped[str | None] = mapped_column(String(40))
    org_name: Mapped[str | None] = mapped_column(String(100))


class StatusStep(Base):
    """One change of a presence's standing in the registry. Rows are never changed (triggers see to it)."""

    __tablename__ = "status_steps"
    __table_args__ = (Index("ix_status_steps_presence", "presence_no", "seq"),)

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    presence_no: Mapped[int] = mapped_column(BigInteger)
    machine_version: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(20))
    from_status: Mapped[str] = mapped_column(String(20))
    to_status: Mapped[str] = mapped_column(String(20))
    reason_code: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(2000))
    verification_id: Mapped[str | None] = mapped_column(String(26))
    actor: Mapped[str] = mapped_column(String(80))
    actor_name: Mapped[str] = mapped_column(String(80))
    org_code: Mapped[str] = mapped_column(String(40))
    org_name: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
