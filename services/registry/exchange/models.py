"""Tables of the exchange of links with other regions."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.registry.base import Base, Owned


class Exchange(Owned, Base):
    """One exchange between this region and another, from the offer of a key to its end.

    sealed: our X25519 private key and the secret derived from both keys, encrypted at rest;
    peer_key: the other's Ed25519 key (raw, base64), whose fingerprint an officer compared over the telephone.
    """

    __tablename__ = "link_exchanges"
    __table_args__ = (Index("ix_link_exchanges_region_id", "region_code", "id"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    side: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(12))
    purpose: Mapped[str] = mapped_column(Text)
    peer_name: Mapped[str] = mapped_column(String(100))
    peer_region: Mapped[str | None] = mapped_column(String(6))
    peer_key: Mapped[str | None] = mapped_column(String(64))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ExchangeMessage(Base):
    """A signed envelope that went out or came in, with its receipt; the same one again gets the same receipt.

    Of hashes that came in only the digest and the receipt stay: what did not match is not ours to have.
    """

    __tablename__ = "link_exchange_messages"
    __table_args__ = (UniqueConstraint("exchange_id", "direction", "digest"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    exchange_id: Mapped[str] = mapped_column(ForeignKey("link_exchanges.id"))
    direction: Mapped[str] = mapped_column(String(3))
    type: Mapped[str] = mapped_column(String(12))
    digest: Mapped[str] = mapped_column(String(64))
    envelope: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    receipt: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    author: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ExchangeComparison(Base):
    """Hashes that came in, until they were compared with every shop of the region; then only the counts stay.

    hashes: rows [kind, hash, reference] sealed for their message; empty once compared, stopped or closed;
    compared_no: number of the last shop compared; done of shops are; found: matches new since it began.
    """

    __tablename__ = "link_exchange_comparisons"
    __table_args__ = (
        Index("ix_link_exchange_comparisons_open", "message_id", postgresql_where=text("state = 'open'")),
    )

    message_id: Mapped[int] = mapped_column(ForeignKey("link_exchange_messages.id"), primary_key=True)
    exchange_id: Mapped[str] = mapped_column(ForeignKey("link_exchanges.id"))
    state: Mapped[str] = mapped_column(String(10))
    hashes: Mapped[bytes] = mapped_column(LargeBinary)
    shops: Mapped[int] = mapped_column(BigInteger)
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    found: Mapped[int] = mapped_column(BigInteger, default=0)
    compared_no: Mapped[int] = mapped_column(BigInteger, default=0)


class ExchangeRef(Base):
    """Which shop an opaque reference stands for that we gave to the other region."""

    __tablename__ = "link_exchange_refs"

    exchange_id: Mapped[str] = mapped_column(ForeignKey("link_exchanges.id"), primary_key=True)
    ref: Mapped[str] = mapped_column(String(32), primary_key=True)
    presence_no: Mapped[int] = mapped_column(BigInteger)


class ExchangeMatch(Base):
    """A shop of ours and a shop of theirs, known by reference, that hold the same value of this kind."""

    __tablename__ = "link_exchange_matches"
    __table_args__ = (
        UniqueConstraint("exchange_id", "kind", "presence_no", "ref"),
        Index("ix_link_exchange_matches_shop", "presence_no"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    exchange_id: Mapped[str] = mapped_column(ForeignKey("link_exchanges.id"))
    kind: Mapped[int] = mapped_column(SmallInteger)
    presence_no: Mapped[int] = mapped_column(BigInteger)
    ref: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ExchangeRequest(Base):
    """A request for plain values, ours or theirs, with its purpose and its answer (sealed)."""

    __tablename__ = "link_exchange_requests"
    __table_args__ = (Index("ix_link_exchange_requests_exchange", "exchange_id", "id"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    exchange_id: Mapped[str] = mapped_column(ForeignKey("link_exchanges.id"))
    direction: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(String(10))
    purpose: Mapped[str] = mapped_column(Text)
    asked: Mapped[list[Any]] = mapped_column(JSONB)
    asked_by: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    answered_by: Mapped[str | None] = mapped_column(String(80))
    answered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reason: Mapped[str] = mapped_column(Text)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
