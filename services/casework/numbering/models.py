"""Tables of numbers: the last serial an authority gave in a year, and every number given."""

from datetime import datetime

from sqlalchemy import DateTime, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.casework.base import Base


class NumberCounter(Base):
    """Last serial of a kind, authority and year; its row lock makes serials follow without gaps."""

    __tablename__ = "number_counters"

    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    org_code: Mapped[str] = mapped_column(String(40), primary_key=True)
    year: Mapped[int] = mapped_column(Integer, primary_key=True)
    last: Mapped[int] = mapped_column(Integer)


class IssuedNumber(Base):
    """One number given to one object; nothing is ever given twice."""

    __tablename__ = "issued_numbers"
    __table_args__ = (UniqueConstraint("kind", "org_code", "year", "serial"),)

    number: Mapped[str] = mapped_column(String(100), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    org_code: Mapped[str] = mapped_column(String(40))
    year: Mapped[int] = mapped_column(Integer)
    serial: Mapped[int] = mapped_column(Integer)
    object_id: Mapped[str] = mapped_column(String(26), unique=True)
    issued_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
