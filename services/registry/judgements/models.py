"""Table of judgements: one row for every time an officer decided about a pair; rows are never removed."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base


class Judgement(Base):
    """What an officer says of the shops `shop_a` < `shop_b` (numbers of presences).

    live: whether it is the latest of its pair, hence the one that counts; a later one ends it, nothing else.
    The table's triggers refuse every other change.
    """

    __tablename__ = "judgements"
    __table_args__ = (
        CheckConstraint("shop_a < shop_b", name="order"),
        CheckConstraint("verdict IN ('same', 'different', 'unsure', 'withdrawn')", name="verdict"),
        Index("uq_judgements_live", "shop_a", "shop_b", unique=True, postgresql_where=text("live")),
        Index("ix_judgements_b", "shop_b", postgresql_where=text("live")),
        Index("ix_judgements_pair", "shop_a", "shop_b", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_a: Mapped[int] = mapped_column(BigInteger)
    shop_b: Mapped[int] = mapped_column(BigInteger)
    verdict: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(80))
    author_name: Mapped[str] = mapped_column(String(80))
    org_code: Mapped[str] = mapped_column(String(40))
    region_code: Mapped[str] = mapped_column(String(6))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    live: Mapped[bool] = mapped_column(Boolean)


class BoundJudgement(Base):
    """A judgement that counts, with the shops it is about today: a merged shop's is its survivor's.

    Triggers on `judgements` and on `presences.merged_into` write it; nothing where both are one shop by now.
    Of several of one pair the latest counts (view `counting_judgements`).
    """

    __tablename__ = "bound_judgements"
    __table_args__ = (
        Index("ix_bound_judgements_pair", "shop_a", "shop_b", "judgement"),
        Index("ix_bound_judgements_b", "shop_b"),
    )

    judgement: Mapped[int] = mapped_column(
        ForeignKey("judgements.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    shop_a: Mapped[int] = mapped_column(BigInteger)
    shop_b: Mapped[int] = mapped_column(BigInteger)
    verdict: Mapped[str] = mapped_column(String(10))
