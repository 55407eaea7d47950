"""Table of tags. Where a tag is put stands in the rows themselves (`tags`, an array of these ids)."""

from datetime import datetime

from sqlalchemy import DateTime, Identity, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Owned


class Tag(Owned, Base):
    """One tag of an organisation; offices below it see and use it too. Retired ones are put on no more."""

    __tablename__ = "tags"
    __table_args__ = (
        Index(
            "uq_tags_org_name", "org_code", "name", unique=True, postgresql_where=text("retired_at IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    tone: Mapped[str] = mapped_column(String(10), server_default="info")
    description: Mapped[str | None] = mapped_column(String(500))
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
