"""Several custodians' receipts, batch stamps, the shard of a seal, what is owed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A receipt is a DSSE envelope; who gave it stands in its payload.
_PAYLOAD = "(convert_from(decode(receipt::json->>'payload', 'base64'), 'UTF8')::json)"


def upgrade() -> None:
    """Receipts get their own table; the rows that exist move into it."""
    op.create_table(
        "receipts",
        sa.Column("evidence_id", sa.String(26), nullable=False),
        sa.Column("custodian", sa.String(120), nullable=False),
        sa.Column("operator", sa.String(120), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["evidence_id"], ["evidence_items.id"], name="fk_receipts_evidence_id_evidence_items"
        ),
        sa.PrimaryKeyConstraint("evidence_id", "custodian", name="pk_receipts"),
    )
    op.execute(
        "INSERT INTO receipts (evidence_id, custodian, operator, receipt, stored_at)"  # noqa: S608 - constant
        f" SELECT id, {_PAYLOAD}->>'custodian', {_PAYLOAD}->>'custodian', receipt,"
        f" ({_PAYLOAD}->>'stored_at')::timestamptz FROM evidence_items WHERE receipt IS NOT NULL"
    )
    op.drop_column("evidence_items", "receipt")
    op.add_column("evidence_items", sa.Column("log_shard", sa.Integer(), nullable=True))
    op.execute("UPDATE evidence_items SET log_shard = 0 WHERE log_index IS NOT NULL")
    op.add_column("stamps", sa.Column("path", sa.LargeBinary(), nullable=True))
    op.drop_index("ix_evidence_items_unsealed", "evidence_items")
    op.create_index(
        "ix_evidence_items_unsealed",
        "evidence_items",
        ["id"],
        postgresql_where=sa.text("stage <> 'sealed' OR package_sm3 IS NULL"),
    )
    op.create_index(
        "ix_evidence_items_unstamped",
        "evidence_items",
        ["created_at"],
        postgresql_where=sa.text("stage = 'signed'"),
    )


def downgrade() -> None:
    """One receipt an item again: the first custodian's."""
    op.drop_index("ix_evidence_items_unstamped", "evidence_items")
    op.drop_index("ix_evidence_items_unsealed", "evidence_items")
    op.create_index(
        "ix_evidence_items_unsealed",
        "evidence_items",
        ["id"],
        postgresql_where=sa.text("stage <> 'sealed'"),
    )
    op.drop_column("stamps", "path")
    op.drop_column("evidence_items", "log_shard")
    op.add_column("evidence_items", sa.Column("receipt", sa.Text(), nullable=True))
    op.execute(
        "UPDATE evidence_items SET receipt = (SELECT receipt FROM receipts"
        " WHERE evidence_id = evidence_items.id ORDER BY custodian LIMIT 1)"
    )
    op.drop_table("receipts")
