"""Tables of the linking: what was decided about each shared value, and the cluster of each shop.

Both are derived: a rebuild from `identifiers`, `judgements` and `hub_rulings` gives them again, row for row.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, Identity, Index, Integer, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base


class IdentifierValue(Base):
    """A value at least two shops show. `hub`: it forms no link; `reason`: facts and rule version.

    A value cut as a weak bridge is a `hub` too, with `reason.code` = `bridge`. `state` is what the rule said
    before bridges were cut (`services.registry.linking.rules.State`). A value only one shop shows has no row.
    """

    __tablename__ = "identifier_values"
    __table_args__ = (
        Index("ix_identifier_values_hubs", "holders", "kind", "key", postgresql_where=text("hub")),
    )

    kind: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    key: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    holders: Mapped[int] = mapped_column(Integer)
    hub: Mapped[bool] = mapped_column(Boolean)
    state: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[dict[str, Any]] = mapped_column(JSONB)
    decided_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Cluster(Base):
    """The cluster of a shop that has company; a shop alone has no row. Both numbers: the lowest shop's in it.

    `block`: the shops that hang together before weak bridges are cut and judgements part them. The shops of a
    cluster are found by the block its shop stands in.
    """

    __tablename__ = "clusters"
    __table_args__ = (Index("ix_clusters_block", "block", postgresql_include=["presence_no", "cluster"]),)

    presence_no: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    cluster: Mapped[int] = mapped_column(BigInteger)
    block: Mapped[int] = mapped_column(BigInteger)


class LinkChange(Base):
    """A value that began or ceased to be a hub: so many pairs of shops were linked or unlinked, and why."""

    __tablename__ = "link_changes"
    __table_args__ = (Index("ix_link_changes_value", "kind", "key", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    kind: Mapped[int] = mapped_column(SmallInteger)
    key: Mapped[int] = mapped_column(BigInteger)
    hub: Mapped[bool] = mapped_column(Boolean)
    holders: Mapped[int] = mapped_column(Integer)
    pairs: Mapped[int] = mapped_column(BigInteger)
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[dict[str, Any]] = mapped_column(JSONB)


class IdentifierChange(Base):
    """What came to or went from `identifiers` since the linking last looked; triggers write it.

    `delta`: 1 a shop shows the value now, -1 it no longer does. `kind` 0: what binds the shop by judgement
    changed, or the shop is to be looked at anyway. `presence_no` -1: the value as such is.
    """

    __tablename__ = "identifier_changes"
    __table_args__ = (Index("ix_identifier_changes_presence_no", "presence_no"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    presence_no: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[int] = mapped_column(SmallInteger)
    key: Mapped[int] = mapped_column(BigInteger)
    delta: Mapped[int] = mapped_column(SmallInteger)
