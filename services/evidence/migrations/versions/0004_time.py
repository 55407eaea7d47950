"""What a stamp says of the clock and how long it is good for; evidence records (RFC 4998)."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns of stamps, the table of evidence records."""
    op.add_column("stamps", sa.Column("delta_ms", sa.Float(), nullable=True))
    op.add_column("stamps", sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_stamps_valid_until", "stamps", ["valid_until"])
    op.create_table(
        "evidence_records",
        sa.Column("evidence_id", sa.String(26), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("algorithm", sa.String(10), nullable=False),
        sa.Column("stamps", sa.Integer(), nullable=False),
        sa.Column("chains", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["evidence_id"], ["evidence_items.id"], name="fk_evidence_records_evidence_id_evidence_items"
        ),
        sa.PrimaryKeyConstraint("evidence_id", name="pk_evidence_records"),
    )
    op.create_index("ix_evidence_records_valid_until", "evidence_records", ["valid_until"])


def downgrade() -> None:
    """Without records and dates of stamps."""
    op.drop_table("evidence_records")
    op.drop_index("ix_stamps_valid_until", "stamps")
    op.drop_column("stamps", "valid_until")
    op.drop_column("stamps", "delta_ms")
