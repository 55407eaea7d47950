"""Tables of imports: the file as received, how it is read, how far it is, what came of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    String,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Owned

_EMPTY_OBJECT = text("'{}'::jsonb")
_EMPTY_LIST = text("'[]'::jsonb")
_ZERO = text("0")


class Import(Owned, Base):
    """One file. `state` is one of `imports.machine.State`.

    `layout`, `headers`, `mapping`: how it is cut into rows and which column is what. `cursor`: number of the
    last record taken, which is where a run that broke off goes on. `rows_total`: records of the file, headers
    included. `plan`: what the dry run found. `tallies`: how often each remark was made. `actor`: who started
    it, for the rows and the audit. `stamp`: the one moment all rows of this import bear. `undone`: what
    undoing it did. `file_removed_at`: since when the file is kept no more (`keeping`).
    """

    __tablename__ = "imports"
    __table_args__ = (
        Index("ix_imports_region_id", "region_code", "id"),
        Index("ix_imports_work", "id", postgresql_where=text("state IN ('checking', 'running', 'undoing')")),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    source: Mapped[str] = mapped_column(String(60))
    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    encoding: Mapped[str] = mapped_column(String(20))
    layout: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=_EMPTY_OBJECT)
    headers: Mapped[list[str]] = mapped_column(JSONB, server_default=_EMPTY_LIST)
    mapping: Mapped[list[str | None]] = mapped_column(JSONB, server_default=_EMPTY_LIST)
    state: Mapped[str] = mapped_column(String(10))
    rows: Mapped[int] = mapped_column(Integer)
    rows_total: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    cursor: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    created: Mapped[int] = mapped_column(Integer)
    updated: Mapped[int] = mapped_column(Integer)
    unchanged: Mapped[int] = mapped_column(Integer)
    doubled: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    warning_count: Mapped[int] = mapped_column(Integer)
    error_count: Mapped[int] = mapped_column(Integer)
    tallies: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=_EMPTY_OBJECT)
    plan: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    undone: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    actor: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    stamp: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cancel: Mapped[bool] = mapped_column(Boolean, server_default=false())
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    links: Mapped[str | None] = mapped_column(String(10))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    file_removed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ImportRemark(Base):
    """One remark about one row: `severity` 2 the row was refused, 1 it was taken with a warning.

    `value` is masked where the field is personal. Only the first ones are kept (imports.rules); counts are
    exact.
    """

    __tablename__ = "import_remarks"

    import_id: Mapped[str] = mapped_column(ForeignKey(Import.id, ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    row: Mapped[int] = mapped_column(Integer)
    severity: Mapped[int] = mapped_column(SmallInteger)
    source_id: Mapped[str] = mapped_column(String(128))
    field: Mapped[str] = mapped_column(String(40))
    code: Mapped[str] = mapped_column(String(40))
    value: Mapped[str] = mapped_column(String(200))
    zh: Mapped[str] = mapped_column(String(300))
    en: Mapped[str] = mapped_column(String(300))


class ImportSource(Base):
    """What was chosen for the columns of a source's files: header → field, empty for a column left out."""

    __tablename__ = "import_sources"

    org_code: Mapped[str] = mapped_column(String(40), primary_key=True)
    source: Mapped[str] = mapped_column(String(60), primary_key=True)
    fields: Mapped[dict[str, str]] = mapped_column(JSONB)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_by: Mapped[str] = mapped_column(String(80))
