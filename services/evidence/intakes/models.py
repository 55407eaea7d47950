"""Artefacts received for an order."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, String, func
from sqlalchemy.orm import Mapped, mapped_column

from services.evidence.base import Base
from services.evidence.orders.models import Order


class Artefact(Base):
    """One received artefact; its bytes are the object `sha256` of the store."""

    __tablename__ = "artefacts"

    evidence_id: Mapped[str] = mapped_column(String(26), ForeignKey(Order.id), primary_key=True)
    path: Mapped[str] = mapped_column(String(120), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(120))
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    sm3: Mapped[str] = mapped_column(String(64))
    crc32: Mapped[int] = mapped_column(BigInteger)
    version_id: Mapped[str | None] = mapped_column(String(200))
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
