"""Evidence records, kept beside their packages."""

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from services.evidence.base import Base


class Record(Base):
    """An item's evidence record (RFC 4998, DER). valid_until: end of its newest stamp's certificate."""

    __tablename__ = "evidence_records"
    __table_args__ = (Index("ix_evidence_records_valid_until", "valid_until"),)

    evidence_id: Mapped[str] = mapped_column(String(26), ForeignKey("evidence_items.id"), primary_key=True)
    record: Mapped[bytes] = mapped_column(LargeBinary)
    algorithm: Mapped[str] = mapped_column(String(10))
    stamps: Mapped[int] = mapped_column(Integer)
    chains: Mapped[int] = mapped_column(Integer)
    first_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    renewed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    valid_until: Mapped[datetime] = mapped_column(DateTime(timezone=True))
