"""The registry's declarative base, with the tables every service keeps."""

from datetime import datetime

from sqlalchemy import DateTime, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.common.database import make_base
from services.common.tables import attach_common_tables


class Base(DeclarativeBase):
    """Base of all registry tables."""

    metadata = make_base().metadata


attach_common_tables(Base)


class Owned:
    """Columns of every row that belongs to an authority: whose it is, where, who made it and when."""

    org_code: Mapped[str] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(String(6))
    created_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
