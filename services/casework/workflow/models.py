"""Table of steps taken. Rows are only ever added: a trigger refuses UPDATE and DELETE."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Integer, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.casework.base import Base


class History(Base):
    """One step of one object; `version` is the object's version after it, so no version has two steps."""

    __tablename__ = "workflow_history"
    __table_args__ = (UniqueConstraint("machine", "object_id", "version"),)

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    machine: Mapped[str] = mapped_column(String(20))
    machine_version: Mapped[str] = mapped_column(String(20))
    object_id: Mapped[str] = mapped_column(String(26))
    version: Mapped[int] = mapped_column(Integer)
    action: Mapped[str] = mapped_column(String(30))
    from_state: Mapped[str | None] = mapped_column(String(30))
    to_state: Mapped[str] = mapped_column(String(30))
    actor: Mapped[str] = mapped_column(String(80))
    actor_name: Mapped[str] = mapped_column(String(80))
    org_code: Mapped[str] = mapped_column(String(40))
    org_name: Mapped[str] = mapped_column(String(100))
    reason: Mapped[str | None] = mapped_column(String(2000))
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
