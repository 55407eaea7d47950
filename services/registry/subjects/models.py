"""Table of subjects."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Computed, Date, DateTime, Index, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Filed, Owned
from services.registry.search.models import SUBJECT_FACETS, Searchable, area_indexes, search_index


class Subject(Owned, Filed, Searchable, Base):
    """A legal or natural person who does business, as one authority knows it.

    `licence` is kept as given; `licence_norm` is its comparison form. Two authorities may each know the same
    licence, so uniqueness holds inside one organisation. Personal values lie sealed in `personal`.
    `former_names` and `regno15` (the 15-digit numbers before GB 32100): [{"value", "from", "to"}].
    `authority_code`: the registering authority (GB 32100, positions 3-8, names where, not who).
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
        *area_indexes("subjects"),
        search_index("subjects"),
        Index("ix_subjects_import_id", "import_id", postgresql_where=text("import_id IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str] = mapped_column(String(500))
    kind: Mapped[str] = mapped_column(String(20))
    licence: Mapped[str | None] = mapped_column(String(200))
    licence_kind: Mapped[str | None] = mapped_column(String(10))
    licence_norm: Mapped[str | None] = mapped_column(String(200))
    former_names: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    regno15: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    registered_at: Mapped[date | None] = mapped_column(Date)
    scope: Mapped[str | None] = mapped_column(Text)
    verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    import_id: Mapped[str | None] = mapped_column(String(26))
    source: Mapped[str] = mapped_column(String(60))
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    facets: Mapped[list[str]] = mapped_column(ARRAY(Text), Computed(SUBJECT_FACETS, persisted=True))
