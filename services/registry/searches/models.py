"""Table of saved searches."""

from typing import Any

from sqlalchemy import Boolean, Index, LargeBinary, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Owned


class SavedSearch(Owned, Base):
    """A question kept under a name, by its author (`created_by`) or shared with his whole authority.

    `filters`: the list's filters as given. The words searched for may be somebody's telephone number and lie
    sealed in `words`, about the row's id.
    """

    __tablename__ = "saved_searches"
    __table_args__ = (
        Index("uq_saved_searches_author_target_name", "created_by", "target", "name", unique=True),
        Index("ix_saved_searches_org_code_target", "org_code", "target"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    target: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(60))
    shared: Mapped[bool] = mapped_column(Boolean)
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    words: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_by_name: Mapped[str] = mapped_column(String(80))
