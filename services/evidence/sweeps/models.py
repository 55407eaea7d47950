"""Sweeps and what they found."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    ForeignKey,
    Integer,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.evidence.base import Base


class Sweep(Base):
    """One pass. `state`: requested, running, done, cancelled; `slot` is 1 while it is open, so there is one.

    `phase` and `cursor` say how far it is: `objects` (reading what items refer to, up to that SHA-256), then
    `listing` (looking for what no item refers to, up to that name). Whoever runs it renews `lease_until`.
    """

    __tablename__ = "sweeps"
    __table_args__ = (UniqueConstraint("slot"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    requested_by: Mapped[str] = mapped_column(String(120))
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    slot: Mapped[int | None] = mapped_column(Integer)
    cancel: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    phase: Mapped[str] = mapped_column(String(10), server_default="objects")
    cursor: Mapped[str] = mapped_column(String(200), server_default="")
    objects_total: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    bytes_total: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    objects_done: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    bytes_done: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    listed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(Text)


class SweepFinding(Base):
    """Something that is not as it must be. `kind`: missing, damaged, covered, unreferenced."""

    __tablename__ = "sweep_findings"

    sweep_id: Mapped[str] = mapped_column(String(26), ForeignKey(Sweep.id), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    detail: Mapped[str] = mapped_column(Text)
    evidence_ids: Mapped[list[str]] = mapped_column(JSONB)
