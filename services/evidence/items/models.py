"""Evidence items and what belongs to their sealing."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from services.evidence.base import Base
from services.evidence.orders.models import Order


class EvidenceItem(Base):
    """An evidence item. `stage`: the last finished step of sealing: signed, stamped, logged, sealed."""

    __tablename__ = "evidence_items"
    __table_args__ = (
        Index("ix_evidence_items_region", "region_code", "id"),
        Index(
            "ix_evidence_items_unsealed",
            "id",
            postgresql_where=text("stage <> 'sealed' OR package_sm3 IS NULL"),
        ),
        Index("ix_evidence_items_unstamped", "created_at", postgresql_where=text("stage = 'signed'")),
    )

    id: Mapped[str] = mapped_column(String(26), ForeignKey(Order.id), primary_key=True)
    org_code: Mapped[str] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(String(6))
    ordered_by: Mapped[dict[str, Any]] = mapped_column(JSONB)
    stage: Mapped[str] = mapped_column(String(10))
    envelope: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    requested_url: Mapped[str] = mapped_column(Text)
    final_url: Mapped[str | None] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    http_status: Mapped[int | None] = mapped_column(Integer)
    outcome: Mapped[str] = mapped_column(String(10))
    captured_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    evidence_no: Mapped[str | None] = mapped_column(String(30), unique=True)
    entry: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    log_shard: Mapped[int | None] = mapped_column(Integer)
    log_index: Mapped[int | None] = mapped_column(BigInteger)
    log_size: Mapped[int | None] = mapped_column(BigInteger)
    proof: Mapped[str | None] = mapped_column(Text, deferred=True)
    layout_sha256: Mapped[str | None] = mapped_column(String(64))
    package_sha256: Mapped[str | None] = mapped_column(String(64))
    package_sm3: Mapped[str | None] = mapped_column(String(64))
    package_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sealed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    custody_seq: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)

    stamps: Mapped[list["Stamp"]] = relationship(order_by="Stamp.position", lazy="raise", viewonly=True)
    receipts: Mapped[list["Receipt"]] = relationship(
        order_by="Receipt.custodian", lazy="raise", viewonly=True
    )


class Stamp(Base):
    """A time stamp over an item's signatures: the DER response as received.

    `path`: for a stamp over a batch, the way from the item to the batch's root (docs/evidence/package.md).
    `delta_ms`: its time minus the own clock when it was asked for, a second witness of that clock.
    `valid_until`: the end of the authority's certificate.
    """

    __tablename__ = "stamps"

    evidence_id: Mapped[str] = mapped_column(String(26), ForeignKey("evidence_items.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    authority: Mapped[str] = mapped_column(String(120))
    operator: Mapped[str] = mapped_column(String(120))
    response: Mapped[bytes] = mapped_column(LargeBinary)
    path: Mapped[bytes | None] = mapped_column(LargeBinary)
    stamped_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    delta_ms: Mapped[float | None] = mapped_column(Float)
    valid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), index=True)


class Receipt(Base):
    """A custodian's signed receipt (a DSSE envelope in JSON) for his copy of an item's package."""

    __tablename__ = "receipts"

    evidence_id: Mapped[str] = mapped_column(String(26), ForeignKey("evidence_items.id"), primary_key=True)
    custodian: Mapped[str] = mapped_column(String(120), primary_key=True)
    operator: Mapped[str] = mapped_column(String(120))
    receipt: Mapped[str] = mapped_column(Text)
    stored_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class NumberCounter(Base):
    """The last evidence number given out in a region and year."""

    __tablename__ = "number_counters"

    region_code: Mapped[str] = mapped_column(String(6), primary_key=True)
    year: Mapped[int] = mapped_column(Integer, primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)
