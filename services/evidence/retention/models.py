"""Retention rules, and what holds for each sealed item."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.evidence.base import Base
from services.evidence.items.models import EvidenceItem


class RetentionRule(Base):
    """Years to keep a category, as in force between two dates; `verified`: whether the text was read."""

    __tablename__ = "retention_rules"
    __table_args__ = (UniqueConstraint("category", "effective_from"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    category: Mapped[str] = mapped_column(String(20))
    zh: Mapped[str] = mapped_column(String(100))
    en: Mapped[str] = mapped_column(String(100))
    years: Mapped[int] = mapped_column(Integer)
    law: Mapped[str] = mapped_column(String(100))
    article: Mapped[str] = mapped_column(String(60))
    source: Mapped[str] = mapped_column(String(300))
    verified: Mapped[bool] = mapped_column(Boolean)
    effective_from: Mapped[date] = mapped_column(Date)
    effective_to: Mapped[date | None] = mapped_column(Date)


class Retention(Base):
    """An item's retention. A hold has a reason. `pending`: still to be applied to the objects in the store;
    `locked`: whether the store, when it was last applied, really locks them."""

    __tablename__ = "retentions"
    __table_args__ = (Index("ix_retentions_pending", "evidence_id", postgresql_where=text("pending")),)

    evidence_id: Mapped[str] = mapped_column(String(26), ForeignKey(EvidenceItem.id), primary_key=True)
    category: Mapped[str] = mapped_column(String(20), server_default="capture")
    rule_id: Mapped[int | None] = mapped_column(ForeignKey(RetentionRule.id))
    until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    hold_reason: Mapped[str | None] = mapped_column(Text)
    hold_by: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    hold_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    pending: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    locked: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
