"""Tables of findings, and of what each authority did with them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Integer, SmallInteger, String, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base


class Finding(Base):
    """Something noticed. `subject_key` names what it is about: the same thing is noticed once.

    places: prefixes of the divisions (GB/T 2260) whose authorities it concerns and of those above them;
    shops: numbers of presences it names (the first hundred); detail: counts and facts, nothing personal;
    times: how often it came up; cleared_at: since when it is no longer so, without anybody's doing here.
    """

    __tablename__ = "findings"
    __table_args__ = (
        Index("uq_findings_subject_key", "code", "subject_key", unique=True),
        Index("ix_findings_places", "places", postgresql_using="gin"),
        Index("ix_findings_value", "kind", "key"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(40))
    subject_key: Mapped[str] = mapped_column(String(120))
    kind: Mapped[int | None] = mapped_column(SmallInteger)
    key: Mapped[int | None] = mapped_column(BigInteger)
    shops: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    places: Mapped[list[str]] = mapped_column(ARRAY(String(6)))
    raised_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    times: Mapped[int] = mapped_column(Integer)
    cleared_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class FindingState(Base):
    """That an authority has seen or settled a finding; without a row it is new to that authority."""

    __tablename__ = "finding_states"
    __table_args__ = (Index("ix_finding_states_org", "org_code", "state"),)

    finding_id: Mapped[int] = mapped_column(ForeignKey("findings.id", ondelete="CASCADE"), primary_key=True)
    org_code: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    note: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(80))
    author_name: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
