"""Table of changes."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base


class Change(Base):
    """One value of one row changed: who, when, from which source, from what to what.

    Plain values stand in `old` and `new`; personal ones in `sealed`, as {"field", "old", "new"} about the
    object's id, a missing one being none. A row made anew has no changes: its values are the first ones.
    """

    __tablename__ = "changes"
    __table_args__ = (
        Index("ix_changes_object", "object_type", "object_id", "id"),
        Index("ix_changes_import_id", "import_id", postgresql_where=text("import_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    object_type: Mapped[str] = mapped_column(String(20))
    object_id: Mapped[str] = mapped_column(String(40))
    field: Mapped[str] = mapped_column(String(40))
    old: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    new: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    source: Mapped[str] = mapped_column(String(60))
    import_id: Mapped[str | None] = mapped_column(String(26))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    by: Mapped[str] = mapped_column(String(80))
    by_name: Mapped[str] = mapped_column(String(80))
    org_code: Mapped[str] = mapped_column(String(40))
