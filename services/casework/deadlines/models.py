"""Tables of dated limits and of days that differ from their weekday; rows are edited, code is not."""

from datetime import date, datetime

from sqlalchemy import Boolean, Date, DateTime, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.casework.base import Base


class DeadlineRule(Base):
    """One limit of law as in force between two dates; `verified` tells whether the text was read."""

    __tablename__ = "deadline_rules"
    __table_args__ = (UniqueConstraint("code", "effective_from"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    code: Mapped[str] = mapped_column(String(40))
    zh: Mapped[str] = mapped_column(String(100))
    en: Mapped[str] = mapped_column(String(100))
    unit: Mapped[str] = mapped_column(String(20))
    length: Mapped[int] = mapped_column(Integer)
    law: Mapped[str] = mapped_column(String(100))
    article: Mapped[str] = mapped_column(String(60))
    source: Mapped[str] = mapped_column(String(300))
    verified: Mapped[bool] = mapped_column(Boolean)
    effective_from: Mapped[date] = mapped_column(Date)
    effective_to: Mapped[date | None] = mapped_column(Date)


class CalendarDay(Base):
    """A holiday (`working` false) or an adjusted weekend worked (true), from a year's notice."""

    __tablename__ = "calendar_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    working: Mapped[bool] = mapped_column(Boolean)
    name: Mapped[str] = mapped_column(String(60))
    source: Mapped[str] = mapped_column(String(300))
    verified: Mapped[bool] = mapped_column(Boolean)


class Limited:
    """Columns of a row that runs against a limit: the rule's version, the last day, the moment it ends."""

    due_rule_id: Mapped[int | None] = mapped_column(ForeignKey("deadline_rules.id"))
    due_on: Mapped[date | None] = mapped_column(Date)
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    due_provisional: Mapped[bool] = mapped_column(Boolean, default=False)
