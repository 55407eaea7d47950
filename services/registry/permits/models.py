"""Table of permits."""

from datetime import date, datetime

from sqlalchemy import Date, DateTime, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Owned


class Permit(Owned, Base):
    """One permit of a subject, or one shown by a presence; `verify_state`: what a check of it gave."""

    __tablename__ = "permits"
    __table_args__ = (
        Index("ix_permits_subject_id", "subject_id"),
        Index("ix_permits_presence_id", "presence_id"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    subject_id: Mapped[str | None] = mapped_column(ForeignKey("subjects.id", ondelete="CASCADE"))
    presence_id: Mapped[str | None] = mapped_column(ForeignKey("presences.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    number: Mapped[str] = mapped_column(String(100))
    holder: Mapped[str | None] = mapped_column(String(200))
    issued_by: Mapped[str | None] = mapped_column(String(200))
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)
    verify_state: Mapped[str] = mapped_column(String(20))
    verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    source: Mapped[str] = mapped_column(String(60))
