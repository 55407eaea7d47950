"""Tables of cases and of the evidence in them."""

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.casework.base import Base
from services.casework.clues.models import Attachment
from services.casework.deadlines.models import Limited


class Case(Limited, Base):
    """One filed violation; exactly one authority handles it, and one clue opened it."""

    __tablename__ = "cases"
    __table_args__ = (Index("ix_cases_region_id", "region_code", "id"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    case_no: Mapped[str] = mapped_column(String(100), unique=True)
    clue_id: Mapped[str] = mapped_column(ForeignKey("clues.id"), unique=True)
    clue_no: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(200))
    violation_code: Mapped[str | None] = mapped_column(String(40))
    url: Mapped[str | None] = mapped_column(String(2000))
    subject_name: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(30))
    version: Mapped[int] = mapped_column(Integer)
    org_code: Mapped[str] = mapped_column(String(40))
    org_name: Mapped[str] = mapped_column(String(100))
    region_code: Mapped[str] = mapped_column(String(6))
    filed_by: Mapped[str] = mapped_column(String(80))
    filed_by_name: Mapped[str] = mapped_column(String(80))
    filed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    search_text: Mapped[str] = mapped_column(Text)


class CaseEvidence(Attachment, Base):
    """An evidence item in a case, carried over from the clue unchanged."""

    __tablename__ = "case_evidence"

    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    evidence_id: Mapped[str] = mapped_column(String(26), primary_key=True, index=True)
