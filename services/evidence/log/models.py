"""The log's truth: its entries and the checkpoints that were signed over them."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Identity, Index, LargeBinary, String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from services.evidence.base import Base


class LogEntry(Base):
    """An entry: waiting while `index` is null, then the leaf of that index for good.

    `ref` names what it is about (`order:…`, `seal:…`, `custody:…`) and makes queueing it twice impossible.
    """

    __tablename__ = "log_entries"
    __table_args__ = (Index("ix_log_entries_waiting", "id", postgresql_where=text("index IS NULL")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ref: Mapped[str] = mapped_column(String(80), unique=True)
    entry: Mapped[bytes] = mapped_column(LargeBinary)
    index: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class LogCheckpoint(Base):
    """A signed tree head; `cosigned` is the same note with the witness's line, once it has one."""

    __tablename__ = "log_checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    note: Mapped[str] = mapped_column(Text)
    cosigned: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
