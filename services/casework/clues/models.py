"""Tables of clues and of the evidence attached to them."""

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.casework.base import Base
from services.casework.deadlines.models import Limited


class Attachment:
    """An evidence item as seen when it was attached; a case takes these columns over as they are."""

    position: Mapped[int] = mapped_column(Integer)
    evidence_no: Mapped[str | None] = mapped_column(String(100))
    title: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(String(20))
    sha256: Mapped[str | None] = mapped_column(String(64))
    sm3: Mapped[str | None] = mapped_column(String(64))
    attached_by: Mapped[str] = mapped_column(String(80))
    attached_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Clue(Limited, Base):
    """One suspected violation. `org_code` found it; `assigned_org_code` is to decide about it.

    The assignment stays after a return, so that who returned it still sees it, until it is assigned anew.
    """

    __tablename__ = "clues"
    __table_args__ = (
        Index("ix_clues_region_id", "region_code", "id"),
        Index("ix_clues_assigned_region_id", "assigned_region_code", "id"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    clue_no: Mapped[str] = mapped_column(String(100), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    violation_code: Mapped[str | None] = mapped_column(String(40))
    url: Mapped[str | None] = mapped_column(String(2000))
    subject_name: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(String(4000))
    state: Mapped[str] = mapped_column(String(30))
    version: Mapped[int] = mapped_column(Integer)
    org_code: Mapped[str] = mapped_column(String(40))
    org_name: Mapped[str] = mapped_column(String(100))
    region_code: Mapped[str] = mapped_column(String(6))
    assigned_org_code: Mapped[str | None] = mapped_column(String(40))
    assigned_org_name: Mapped[str | None] = mapped_column(String(100))
    assigned_region_code: Mapped[str | None] = mapped_column(String(6))
    assigned_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    signed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    case_id: Mapped[str | None] = mapped_column(String(26))
    case_no: Mapped[str | None] = mapped_column(String(100))
    created_by: Mapped[str] = mapped_column(String(80))
    created_by_name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    search_text: Mapped[str] = mapped_column(Text)


class ClueEvidence(Attachment, Base):
    """An evidence item attached to a clue."""

    __tablename__ = "clue_evidence"

    clue_id: Mapped[str] = mapped_column(ForeignKey("clues.id"), primary_key=True)
    evidence_id: Mapped[str] = mapped_column(String(26), primary_key=True, index=True)
