"""Table of subjects."""

from typing import Any

from sqlalchemy import Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Owned
from services.registry.search.models import Searchable


class Subject(Owned, Searchable, Base):
    """A legal or natural person who does business, as one authority knows it.

    `licence` is kept as given; `licence_norm` is its comparison form. Two authorities may each know the same
    licence; joining them across regions is a later rule, so uniqueness holds inside one organisation.
    """

    __tablename__ = "subjects"
    __table_args__ = (
        Index(
            "uq_subjects_org_licence",
            "org_code",
            "licence_norm",
            unique=True,
            postgresql_where=text("licence_norm IS NOT NULL"),
        ),
        Index("ix_subjects_region_id", "region_code", "id"),
        Index("ix_subjects_grams", "grams", postgresql_using="gin"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str] = mapped_column(String(500))
    kind: Mapped[str] = mapped_column(String(20))
    licence: Mapped[str | None] = mapped_column(String(200))
    licence_kind: Mapped[str | None] = mapped_column(String(10))
    licence_norm: Mapped[str | None] = mapped_column(String(200))
    legal_person: Mapped[str | None] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(200))
    qq: Mapped[str | None] = mapped_column(String(200))
    wechat: Mapped[str | None] = mapped_column(String(200))
    address: Mapped[str | None] = mapped_column(String(1000))
    source: Mapped[str] = mapped_column(String(60))
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
