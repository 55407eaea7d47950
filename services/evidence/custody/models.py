"""Custody events as kept; rows are never changed or removed (triggers see to it)."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Integer, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.evidence.base import Base


class CustodyEvent(Base):
    """One event. `document`: its canonical JSON (salt and previous event's hash inside), bound by the log.

    The other columns repeat the document for queries; where they differ from it, the row has been altered.
    """

    __tablename__ = "custody_events"
    __table_args__ = (UniqueConstraint("evidence_id", "seq"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    evidence_id: Mapped[str] = mapped_column(String(26), ForeignKey("evidence_items.id"))
    seq: Mapped[int] = mapped_column(Integer)
    event: Mapped[str] = mapped_column(String(20))
    actor: Mapped[dict[str, Any]] = mapped_column(JSONB)
    org: Mapped[str] = mapped_column(String(40))
    org_name: Mapped[str] = mapped_column(String(100), server_default="")
    via: Mapped[str] = mapped_column(String(40), server_default="")
    reason: Mapped[str] = mapped_column(Text)
    about: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    client_ip: Mapped[str] = mapped_column(String(60))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    document: Mapped[bytes] = mapped_column(LargeBinary)
