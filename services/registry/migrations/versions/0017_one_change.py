"""Following one change: fewer indexes to write, a block from its index alone, judgements in the log."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# Whoever changes what binds two shops, by a word or by a merge, is seen, as is every writer of identifiers.
_LOG = """
CREATE FUNCTION log_judgement_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO identifier_changes (presence_no, kind, key, delta)
  SELECT shop_a, 0, 0, 0 FROM judged UNION SELECT shop_b, 0, 0, 0 FROM judged;
  RETURN NULL;
END $$
"""
_EVENTS = {"INSERT": "NEW TABLE AS judged", "DELETE": "OLD TABLE AS judged"}


def upgrade() -> None:
    op.drop_index("ix_identifier_values_hub_holders", table_name="identifier_values")
    op.create_index(
        "ix_identifier_values_hubs",
        "identifier_values",
        ["holders", "kind", "key"],
        postgresql_where=sa.text("hub"),
    )
    op.drop_index("ix_clusters_cluster", table_name="clusters")
    op.drop_index("ix_clusters_block", table_name="clusters")
    op.create_index("ix_clusters_block", "clusters", ["block"], postgresql_include=["presence_no", "cluster"])
    op.execute(_LOG)
    for event, table in _EVENTS.items():
        op.execute(
            f"CREATE TRIGGER linking_{event.lower()} AFTER {event} ON bound_judgements REFERENCING {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION log_judgement_changes()"
        )


def downgrade() -> None:
    for event in _EVENTS:
        op.execute(f"DROP TRIGGER linking_{event.lower()} ON bound_judgements")
    op.execute("DROP FUNCTION log_judgement_changes()")
    op.drop_index("ix_clusters_block", table_name="clusters")
    op.create_index("ix_clusters_block", "clusters", ["block"])
    op.create_index("ix_clusters_cluster", "clusters", ["cluster"])
    op.drop_index("ix_identifier_values_hubs", table_name="identifier_values")
    op.create_index("ix_identifier_values_hub_holders", "identifier_values", ["hub", "holders"])
