"""Tables every service keeps beside its own: audit, outbox, inbox."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

_NOW = text("now()")


def attach_common_tables(base: type[DeclarativeBase]) -> None:
    """Add audit, outbox and inbox to a service's metadata, so that its first migration makes them."""
    metadata: MetaData = base.metadata
    Table(
        "audit",
        metadata,
        Column("seq", BigInteger, Identity(), primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False, server_default=_NOW),
        Column("actor", String(80), nullable=False),
        Column("actor_name", String(80), nullable=False),
        Column("org_code", String(40), nullable=False),
        Column("region_code", String(6), nullable=False),
        Column("roles", JSONB, nullable=False),
        Column("event", String(80), nullable=False),
        Column("object_type", String(40), nullable=False),
        Column("object_id", String(80), nullable=False),
        Column("result", String(20), nullable=False, server_default="success"),
        Column("before", JSONB),
        Column("after", JSONB),
        Column("request_id", String(80), nullable=False),
        Column("client_ip", String(60), nullable=False),
        Index("ix_audit_object", "object_type", "object_id"),
    )
    Table(
        "outbox",
        metadata,
        Column("id", String(26), primary_key=True),
        Column("topic", String(80), nullable=False),
        Column("target", String(40), nullable=False),
        Column("payload", JSONB, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
        Column("sent_at", DateTime(timezone=True)),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("last_error", Text),
        Index("ix_outbox_unsent", "id", postgresql_where=text("sent_at IS NULL")),
    )
    Table(
        "inbox",
        metadata,
        Column("id", String(26), primary_key=True),
        Column("source", String(40), primary_key=True),
        Column("topic", String(80), nullable=False),
        Column("received_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    )
