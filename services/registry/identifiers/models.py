"""Table of identifiers: which shop shows which number, by keyed hash."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    DateTime,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base


class Identifier(Base):
    """One value a presence shows or showed: `key` tells equality, `value` holds the raw form, sealed.

    `value` is sealed as {field: raw} about the presence's number. `ended_at`: since when it is not shown any
    more. No foreign key to presences: ten million rows are written at once, and undo removes them by number.
    """

    __tablename__ = "identifiers"
    __table_args__ = (
        # What a shop shows now is read from the key alone.
        PrimaryKeyConstraint("presence_no", "kind", "key", postgresql_include=["ended_at"]),
        Index(
            "ix_identifiers_kind_key_presence_no",
            "kind",
            "key",
            "presence_no",
            postgresql_where=text("ended_at IS NULL"),
        ),
        # Few rows: which shops once showed the same, for links that are no more.
        Index(
            "ix_identifiers_ended",
            "kind",
            "key",
            "presence_no",
            postgresql_where=text("ended_at IS NOT NULL"),
        ),
    )

    presence_no: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[int] = mapped_column(SmallInteger)
    key: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    source: Mapped[str] = mapped_column(String(60))
    first_seen: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_seen: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
