"""Table of authorities."""

from typing import Any

from sqlalchemy import Boolean, ForeignKey, String, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base


class Organisation(Base):
    """One authority, in a tree of its own: function zones have a bureau but no code of GB/T 2260.

    `kind`: bureau of a division, zone (bureau of a function zone) or station (市场监督管理所). `region_code`:
    the division it covers, for zones and stations the one they lie in. `area`: what of it they cover, as
    [{"region_code", "street"}].
    """

    __tablename__ = "organisations"

    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    level: Mapped[str] = mapped_column(String(10))
    region_code: Mapped[str] = mapped_column(ForeignKey("regions.code"), index=True)
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("organisations.code"), index=True)
    kind: Mapped[str] = mapped_column(String(10), server_default="bureau")
    area: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    verified: Mapped[bool] = mapped_column(Boolean, server_default=true())
