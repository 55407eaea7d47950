"""Links: officers' judgements and rulings, findings, and the exchange of links with other regions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Judgements and rulings are on record for good: only the mark of the one that counts moves on.
_APPEND_ONLY = """
CREATE FUNCTION refuse_change_of_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.live AND NOT NEW.live
     AND to_jsonb(OLD) - 'live' = to_jsonb(NEW) - 'live' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% of %: judgements and rulings stay on record', TG_OP, TG_TABLE_NAME;
END $$
"""


def _author() -> list[sa.Column]:
    return [
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("author_name", sa.String(length=80), nullable=False),
        sa.Column("org_code", sa.String(length=40), nullable=False),
        sa.Column("region_code", sa.String(length=6), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
    ]


def _decisions() -> None:
    op.create_table(
        "judgements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shop_a", sa.BigInteger(), nullable=False),
        sa.Column("shop_b", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        *_author(),
        sa.CheckConstraint("shop_a < shop_b", name=op.f("ck_judgements_order")),
        sa.CheckConstraint(
            "verdict IN ('same', 'different', 'unsure', 'withdrawn')", name=op.f("ck_judgements_verdict")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgements")),
    )
    live = sa.text("live")
    op.create_index(
        "uq_judgements_live", "judgements", ["shop_a", "shop_b"], unique=True, postgresql_where=live
    )
    op.create_index("ix_judgements_b", "judgements", ["shop_b"], postgresql_where=live)
    op.create_index("ix_judgements_pair", "judgements", ["shop_a", "shop_b", "id"])
    op.create_table(
        "hub_rulings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("ruling", sa.String(length=10), nullable=False),
        *_author(),
        sa.CheckConstraint("ruling IN ('hub', 'not_hub', 'withdrawn')", name=op.f("ck_hub_rulings_ruling")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_rulings")),
    )
    op.create_index("uq_hub_rulings_live", "hub_rulings", ["kind", "key"], unique=True, postgresql_where=live)
    op.create_index("ix_hub_rulings_value", "hub_rulings", ["kind", "key", "id"])
    op.execute(_APPEND_ONLY)
    for table in ("judgements", "hub_rulings"):
        op.execute(
            f"CREATE TRIGGER stays_on_record BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change_of_record()"
        )


def _findings() -> None:
    op.create_table(
        "findings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("subject_key", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=True),
        sa.Column("key", sa.BigInteger(), nullable=True),
        sa.Column("shops", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("places", postgresql.ARRAY(sa.String(length=6)), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
    )
    op.create_index("uq_findings_subject_key", "findings", ["code", "subject_key"], unique=True)
    op.create_index("ix_findings_places", "findings", ["places"], postgresql_using="gin")
    op.create_index("ix_findings_value", "findings", ["kind", "key"])
    op.create_table(
        "finding_states",
        sa.Column("finding_id", sa.BigInteger(), nullable=False),
        sa.Column("org_code", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("author_name", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["finding_id"],
            ["findings.id"],
            name=op.f("fk_finding_states_finding_id_findings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("finding_id", "org_code", name=op.f("pk_finding_states")),
    )
    op.create_index("ix_finding_states_org", "finding_states", ["org_code", "state"])


def _exchange() -> None:
    op.create_table(
        "link_exchanges",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("peer_name", sa.String(length=100), nullable=False),
        sa.Column("peer_region", sa.String(length=6), nullable=True),
        sa.Column("peer_key", sa.String(length=64), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("org_code", sa.String(length=40), nullable=False),
        sa.Column("region_code", sa.String(length=6), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_exchanges")),
    )
    op.create_index("ix_link_exchanges_region_id", "link_exchanges", ["region_code", "id"])
    op.create_table(
        "link_exchange_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("exchange_id", sa.String(length=26), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("type", sa.String(length=12), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("envelope", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("receipt", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _to_exchange("link_exchange_messages"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_exchange_messages")),
        sa.UniqueConstraint(
            "exchange_id", "direction", "digest",
            name=op.f("uq_link_exchange_messages_exchange_id_direction_digest"),
        ),
    )  # fmt: skip
    op.create_table(
        "link_exchange_refs",
        sa.Column("exchange_id", sa.String(length=26), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("presence_no", sa.BigInteger(), nullable=False),
        _to_exchange("link_exchange_refs"),
        sa.PrimaryKeyConstraint("exchange_id", "ref", name=op.f("pk_link_exchange_refs")),
    )
    op.create_table(
        "link_exchange_matches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("exchange_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("presence_no", sa.BigInteger(), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _to_exchange("link_exchange_matches"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_exchange_matches")),
        sa.UniqueConstraint(
            "exchange_id", "kind", "presence_no", "ref",
            name=op.f("uq_link_exchange_matches_exchange_id_kind_presence_no_ref"),
        ),
    )  # fmt: skip
    op.create_index("ix_link_exchange_matches_shop", "link_exchange_matches", ["presence_no"])
    op.create_table(
        "link_exchange_requests",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("exchange_id", sa.String(length=26), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("asked", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_by", sa.String(length=80), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        _to_exchange("link_exchange_requests"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_exchange_requests")),
    )
    op.create_index("ix_link_exchange_requests_exchange", "link_exchange_requests", ["exchange_id", "id"])


def _to_exchange(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_exchange_id_link_exchanges")
    return sa.ForeignKeyConstraint(["exchange_id"], ["link_exchanges.id"], name=name)


def upgrade() -> None:
    _decisions()
    _findings()
    _exchange()


def downgrade() -> None:
    for table in ("requests", "matches", "refs", "messages"):
        op.drop_table(f"link_exchange_{table}")
    op.drop_table("link_exchanges")
    op.drop_table("finding_states")
    op.drop_table("findings")
    op.drop_table("hub_rulings")
    op.drop_table("judgements")
    op.execute("DROP FUNCTION refuse_change_of_record()")
