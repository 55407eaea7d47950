"""Who outside the region may read an item, and on what ground."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Index, String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from services.evidence.base import Base


class Grant(Base):
    """Leave for an organisation to read an item.

    `basis` names the ground (a clue), so that losing one ground leaves another in force; `version` is the
    ground's own version when it said so: an older word that arrives later changes nothing.
    """

    __tablename__ = "evidence_grants"
    __table_args__ = (
        Index(
            "ix_evidence_grants_open",
            "org_code",
            "evidence_id",
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
    )

    evidence_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    org_code: Mapped[str] = mapped_column(String(40), primary_key=True)
    basis: Mapped[str] = mapped_column(String(80), primary_key=True, server_default="")
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    reason: Mapped[str] = mapped_column(Text)
    granted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    withdrawn_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
