"""Table of authorities."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base


class Organisation(Base):
    """One authority. `region_code` is the division it covers; several may cover parts of one."""

    __tablename__ = "organisations"

    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    level: Mapped[str] = mapped_column(String(10))
    region_code: Mapped[str] = mapped_column(ForeignKey("regions.code"), index=True)
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("organisations.code"), index=True)
