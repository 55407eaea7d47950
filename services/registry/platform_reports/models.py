"""Table of platform reports."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Index, Integer, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Owned


class PlatformReport(Owned, Base):
    """A file in which a platform reports its operators for a half-year, as received.

    The file itself is kept sealed. period: `2026-01` or `2026-07`, the month it is due in; state: received,
    checking, checked, failed; counts are of rows, `done` so far; remarks: {code: rows and texts}; errors:
    the first rows that contradict the registry, by number; findings: codes; receipt: DSSE envelope, made when
    the file was received.
    """

    __tablename__ = "platform_reports"
    __table_args__ = (
        Index("uq_platform_reports_file", "org_code", "platform", "period", "sha256", unique=True),
        Index("ix_platform_reports_region_id", "region_code", "id"),
        Index("ix_platform_reports_open", "id", postgresql_where=text("state IN ('received', 'checking')")),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    platform: Mapped[str] = mapped_column(String(100))
    period: Mapped[str] = mapped_column(String(7))
    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_on: Mapped[date] = mapped_column(Date)
    late: Mapped[bool] = mapped_column(Boolean)
    rule: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(String(10), server_default="received")
    encoding: Mapped[str | None] = mapped_column(String(20))
    done: Mapped[int] = mapped_column(Integer, server_default="0")
    rows: Mapped[int | None] = mapped_column(Integer)
    bad_rows: Mapped[int | None] = mapped_column(Integer)
    remarks: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    errors: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    last_rows: Mapped[int | None] = mapped_column(Integer)
    known_shops: Mapped[int | None] = mapped_column(Integer)
    findings: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    failure: Mapped[str | None] = mapped_column(Text)
    receipt: Mapped[dict[str, Any]] = mapped_column(JSONB)
