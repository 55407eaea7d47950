"""Table of rulings: an officer's word on whether a value is a hub, whatever the connectivity test says."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base


class HubRuling(Base):
    """One ruling about the value (kind, key); the latest of a value is live and counts, none is removed."""

    __tablename__ = "hub_rulings"
    __table_args__ = (
        CheckConstraint("ruling IN ('hub', 'not_hub', 'withdrawn')", name="ruling"),
        Index("uq_hub_rulings_live", "kind", "key", unique=True, postgresql_where=text("live")),
        Index("ix_hub_rulings_value", "kind", "key", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[int] = mapped_column(SmallInteger)
    key: Mapped[int] = mapped_column(BigInteger)
    ruling: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(80))
    author_name: Mapped[str] = mapped_column(String(80))
    org_code: Mapped[str] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(String(6))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    live: Mapped[bool] = mapped_column(Boolean)
