"""The log's truth: its shards, their entries, and the checkpoints that were signed over them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.evidence.base import Base


class LogShard(Base):
    """One log of the row of logs: its own origin and key; the last one is written to.

    `state`: `open`; `frozen` (closed in order, its last leaf names the next); `forked` (closed because its
    history was lost or contradicted). `refusal`: why nothing is signed any more, until it is reconciled.
    """

    __tablename__ = "log_shards"
    __table_args__ = (CheckConstraint("state IN ('open', 'frozen', 'forked')", name="state"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    origin: Mapped[str] = mapped_column(String(200), unique=True)
    vkey: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    refusal: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class LogEntry(Base):
    """An entry: waiting while `index` is null, then the leaf of that index in `shard` for good.

    `ref` names what it is about (`order:…`, `seal:…`, `custody:…`) and makes queueing it twice impossible.
    """

    __tablename__ = "log_entries"
    __table_args__ = (
        UniqueConstraint("shard", "index"),
        CheckConstraint("(shard IS NULL) = (index IS NULL)", name="leaf"),
        Index("ix_log_entries_waiting", "id", postgresql_where=text("index IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ref: Mapped[str] = mapped_column(String(80), unique=True)
    entry: Mapped[bytes] = mapped_column(LargeBinary)
    shard: Mapped[int | None] = mapped_column(Integer)
    index: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class LogOrphan(Base):
    """A leaf no witness ever saw, taken out of a forked shard so that its entry is logged again."""

    __tablename__ = "log_orphans"

    shard: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    ref: Mapped[str] = mapped_column(String(80))
    entry: Mapped[bytes] = mapped_column(LargeBinary)
    moved_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class LogCheckpoint(Base):
    """A signed tree head; `cosigned` is the same note with the witnesses' lines, once it has them."""

    __tablename__ = "log_checkpoints"

    shard: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    cosigned: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
