"""Tables of divisions and of the codes and names they had before."""

from datetime import date

from sqlalchemy import Boolean, Date, ForeignKey, Identity, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base


class Region(Base):
    """One division of GB/T 2260."""

    __tablename__ = "regions"

    code: Mapped[str] = mapped_column(String(6), primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    level: Mapped[str] = mapped_column(String(10))
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("regions.code"), index=True)


class RegionAlias(Base):
    """A retired code or name of a division and the division that followed it; `verified` by a person or not.

    They still stand in licence numbers (GB 32100, positions 3-8) and in old addresses.
    """

    __tablename__ = "region_aliases"
    __table_args__ = (UniqueConstraint("code", "name"),)

    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(6))
    name: Mapped[str] = mapped_column(String(60))
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)
    successor: Mapped[str] = mapped_column(ForeignKey("regions.code"))
    source: Mapped[str] = mapped_column(String(200))
    verified: Mapped[bool] = mapped_column(Boolean)
