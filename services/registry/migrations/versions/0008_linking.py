"""Linking: shared values with their verdicts, clusters, what changed and why; a log of identifiers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Every writer of `identifiers` is seen, bulk or single; one that rebuilds afterwards says so, saving rows.
_LOG = """
CREATE FUNCTION log_identifier_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('wangjian.linking', true) = 'rebuild' THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    INSERT INTO identifier_changes (presence_no, kind, key, delta)
    SELECT presence_no, kind, key, 1 FROM new_rows WHERE ended_at IS NULL;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO identifier_changes (presence_no, kind, key, delta)
    SELECT presence_no, kind, key, -1 FROM old_rows WHERE ended_at IS NULL;
  ELSE
    INSERT INTO identifier_changes (presence_no, kind, key, delta)
    SELECT presence_no, kind, key, sum(delta) FROM (
      SELECT presence_no, kind, key, 1 AS delta FROM new_rows WHERE ended_at IS NULL
      UNION ALL SELECT presence_no, kind, key, -1 FROM old_rows WHERE ended_at IS NULL
    ) AS moved GROUP BY presence_no, kind, key HAVING sum(delta) <> 0;
  END IF;
  RETURN NULL;
END $$
"""
_EVENTS = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "NEW TABLE AS new_rows OLD TABLE AS old_rows",
    "DELETE": "OLD TABLE AS old_rows",
}


def upgrade() -> None:
    op.create_table(
        "identifier_values",
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("holders", sa.Integer(), nullable=False),
        sa.Column("hub", sa.Boolean(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("reason", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_identifier_values")),
    )
    op.create_index("ix_identifier_values_hub_holders", "identifier_values", ["hub", "holders"])
    op.create_table(
        "clusters",
        sa.Column("presence_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cluster", sa.BigInteger(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("presence_no", name=op.f("pk_clusters")),
    )
    op.create_index("ix_clusters_cluster", "clusters", ["cluster"])
    op.create_index("ix_clusters_block", "clusters", ["block"])
    op.create_table(
        "link_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("hub", sa.Boolean(), nullable=False),
        sa.Column("holders", sa.Integer(), nullable=False),
        sa.Column("pairs", sa.BigInteger(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_changes")),
    )
    op.create_index("ix_link_changes_value", "link_changes", ["kind", "key", "id"])
    op.create_table(
        "identifier_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("presence_no", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("delta", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identifier_changes")),
    )
    op.create_index("ix_identifier_changes_presence_no", "identifier_changes", ["presence_no"])
    op.execute(_LOG)
    for event, tables in _EVENTS.items():
        op.execute(
            f"CREATE TRIGGER linking_{event.lower()} AFTER {event} ON identifiers REFERENCING {tables}"
            " FOR EACH STATEMENT EXECUTE FUNCTION log_identifier_changes()"
        )


def downgrade() -> None:
    for event in _EVENTS:
        op.execute(f"DROP TRIGGER linking_{event.lower()} ON identifiers")
    op.execute("DROP FUNCTION log_identifier_changes()")
    op.drop_table("identifier_changes")
    op.drop_table("link_changes")
    op.drop_table("clusters")
    op.drop_table("identifier_values")
