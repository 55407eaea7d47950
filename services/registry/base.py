"""The registry's declarative base, with the tables every service keeps."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.common.database import make_base
from services.common.tables import attach_common_tables

_NOW = func.now()
_NONE = "{}"


class Base(DeclarativeBase):
    """Base of all registry tables."""

    metadata = make_base().metadata


attach_common_tables(Base)

# Wrapped data keys of personal values (services.common.personal_keys reads and writes them).
Table(
    "data_keys",
    Base.metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("purpose", String(10), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("active_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("retired_at", DateTime(timezone=True)),
)


class Owned:
    """Columns of every row that belongs to an authority: whose it is, where, who made it and when."""

    org_code: Mapped[str] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(String(6))
    created_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Filed:
    """Columns that subjects and presences share: their number, their sealed values, what became of them.

    `no` is the number in links and clusters; `personal` holds the personal values, sealed about the row's id;
    `contact_grams` keyed hashes of their grams, for search; `risk` 0 to 100, 0 unknown.
    """

    no: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    personal: Mapped[bytes | None] = mapped_column(LargeBinary)
    status: Mapped[str] = mapped_column(String(20), server_default="active")
    risk: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    tags: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=_NONE)
    contact_grams: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=_NONE)
    authority_code: Mapped[str | None] = mapped_column(String(40))
    last_inspected_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    first_seen: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    last_seen: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    merged_into: Mapped[str | None] = mapped_column(String(26))
