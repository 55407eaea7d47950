"""Tables of duplicates and of merges."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Index, LargeBinary, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base

_STANDING = text("undone_at IS NULL")


class Duplicate(Base):
    """Two records that may be one, and why. `first_id` < `second_id`, so that a pair stands here once.

    reasons: codes of `duplicates.rules`, strongest first; score: 0 to 100; state: open, merged, dismissed.
    Carries no region: whoever may see both records may see the pair.
    """

    __tablename__ = "duplicates"
    __table_args__ = (
        Index("uq_duplicates_pair", "object_type", "first_id", "second_id", unique=True),
        Index("ix_duplicates_state", "state", "object_type", "id"),
        Index("ix_duplicates_second_id", "second_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    object_type: Mapped[str] = mapped_column(String(10))
    first_id: Mapped[str] = mapped_column(String(26))
    second_id: Mapped[str] = mapped_column(String(26))
    reasons: Mapped[list[str]] = mapped_column(JSONB)
    score: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(String(10), server_default="open")
    found_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    decided_by: Mapped[str | None] = mapped_column(String(80))
    decided_by_name: Mapped[str | None] = mapped_column(String(80))
    note: Mapped[str | None] = mapped_column(String(500))


class Merge(Base):
    """One record merged into another, with all that is needed to take it back.

    fields: what was decided for each field (no values); moved: ids of the rows that changed owner; snapshot:
    the values before and after, sealed about the merge's id. The latest merge of a record is undone first.
    """

    __tablename__ = "merges"
    __table_args__ = (
        Index("ix_merges_kept_id", "kept_id", postgresql_where=_STANDING),
        Index("uq_merges_merged_id", "merged_id", unique=True, postgresql_where=_STANDING),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    duplicate_id: Mapped[int] = mapped_column(BigInteger)
    object_type: Mapped[str] = mapped_column(String(10))
    kept_id: Mapped[str] = mapped_column(String(26))
    merged_id: Mapped[str] = mapped_column(String(26))
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB)
    moved: Mapped[dict[str, Any]] = mapped_column(JSONB)
    snapshot: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    by: Mapped[str] = mapped_column(String(80))
    by_name: Mapped[str] = mapped_column(String(80))
    org_code: Mapped[str] = mapped_column(String(40))
    undone_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    undone_by: Mapped[str | None] = mapped_column(String(80))
    undone_by_name: Mapped[str | None] = mapped_column(String(80))
