"""Table of presences: shops, sites, apps, accounts, live rooms."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Filed, Owned
from services.registry.claims.models import Claimed
from services.registry.search.models import PRESENCE_FACETS, Searchable, area_indexes, search_index


class Presence(Owned, Filed, Claimed, Searchable, Base):
    """Where a subject sells or shows itself, with the contacts and numbers it displays, as given.

    `(org_code, source, source_id)` names the row in the list it came from; importing again updates it.
    Personal values lie sealed in `personal`. `ownership`: B of a business, C of a person. `exemption`:
    ground on which its operator says that he needs no registration (电商法 §10). `path_description`: how to
    get there when there is no address. `fingerprint`: keyed hash of the values as last imported, to tell an
    unchanged row. `authority_code`: who has jurisdiction now; `claim_state`: how far that is settled.
    """

    __tablename__ = "presences"
    __table_args__ = (
        UniqueConstraint("org_code", "source", "source_id"),
        *area_indexes("presences"),
        Index("ix_presences_claim", "claim_state", "region_code", "status"),
        search_index("presences"),
        Index("ix_presences_import_id", "import_id", postgresql_where=text("import_id IS NOT NULL")),
        Index("ix_presences_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
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
    police_no: Mapped[str | None] = mapped_column(String(200))
    path_description: Mapped[str | None] = mapped_column(Text)
    ownership: Mapped[str | None] = mapped_column(String(1))
    exemption: Mapped[str | None] = mapped_column(String(20))
    over_100k: Mapped[bool | None] = mapped_column(Boolean)
    categories: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    label_no: Mapped[str | None] = mapped_column(String(60))
    alive: Mapped[bool | None] = mapped_column(Boolean)
    http_state: Mapped[str | None] = mapped_column(String(20))
    last_checked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    claim_state: Mapped[str] = mapped_column(String(20), server_default="imported")
    fingerprint: Mapped[int | None] = mapped_column(BigInteger)
    import_id: Mapped[str | None] = mapped_column(String(26))
    source: Mapped[str] = mapped_column(String(60))
    source_id: Mapped[str] = mapped_column(String(128))
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    facets: Mapped[list[str]] = mapped_column(ARRAY(Text), Computed(PRESENCE_FACETS, persisted=True))
