"""Table of inspections."""

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base


class Inspection(Base):
    """One inspection of a presence; it is never changed. `evidence_id`: the sealed item that shows it."""

    __tablename__ = "inspections"
    __table_args__ = (
        Index("ix_inspections_presence_id_at", "presence_id", "at"),
        Index("ix_inspections_region_id", "region_code", "id"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    presence_id: Mapped[str] = mapped_column(ForeignKey("presences.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    by: Mapped[str] = mapped_column(String(80))
    by_name: Mapped[str] = mapped_column(String(80))
    org_code: Mapped[str] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(String(6))
    result: Mapped[str] = mapped_column(String(20))
    note: Mapped[str | None] = mapped_column(Text)
    evidence_id: Mapped[str | None] = mapped_column(String(26))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
