"""Table of presences: shops, sites, apps, accounts, live rooms."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Owned
from services.registry.search.models import Searchable


class Presence(Owned, Searchable, Base):
    """Where a subject sells or shows itself, with the contacts and numbers it displays, as given.

    `(org_code, source, source_id)` names the row in the list it came from; importing again updates it.
    """

    __tablename__ = "presences"
    __table_args__ = (
        UniqueConstraint("org_code", "source", "source_id"),
        Index("ix_presences_region_id", "region_code", "id"),
        Index("ix_presences_grams", "grams", postgresql_using="gin"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    subject_id: Mapped[str | None] = mapped_column(ForeignKey("subjects.id"), index=True)
    channel: Mapped[str] = mapped_column(String(20))
    platform: Mapped[str | None] = mapped_column(String(100))
    native_id: Mapped[str | None] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(500))
    url: Mapped[str | None] = mapped_column(String(2000))
    domain: Mapped[str | None] = mapped_column(String(253))
    licence: Mapped[str | None] = mapped_column(String(200))
    icp: Mapped[str | None] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(200))
    qq: Mapped[str | None] = mapped_column(String(200))
    wechat: Mapped[str | None] = mapped_column(String(200))
    address: Mapped[str | None] = mapped_column(String(1000))
    source: Mapped[str] = mapped_column(String(60))
    source_id: Mapped[str] = mapped_column(String(128))
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
