"""Custody says where a person stands and what an event was about; grants name their ground and can end."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "custody_events", sa.Column("org_name", sa.String(length=100), server_default="", nullable=False)
    )
    op.add_column("custody_events", sa.Column("via", sa.String(length=40), server_default="", nullable=False))
    op.add_column(
        "custody_events",
        sa.Column(
            "about",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    # Row triggers do not see TRUNCATE.
    op.execute(
        "CREATE TRIGGER keep_all BEFORE TRUNCATE ON custody_events"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.add_column(
        "evidence_grants", sa.Column("basis", sa.String(length=80), server_default="", nullable=False)
    )
    op.add_column(
        "evidence_grants", sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("evidence_grants", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint("pk_evidence_grants", "evidence_grants", type_="primary")
    op.create_primary_key("pk_evidence_grants", "evidence_grants", ["evidence_id", "org_code", "basis"])
    op.create_index(
        "ix_evidence_grants_open",
        "evidence_grants",
        ["org_code", "evidence_id"],
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_evidence_grants_open", table_name="evidence_grants")
    # Without grounds one row an organisation can stay, and what was withdrawn must not come back.
    op.execute(
        "DELETE FROM evidence_grants AS given WHERE withdrawn_at IS NOT NULL OR EXISTS ("
        " SELECT 1 FROM evidence_grants AS other WHERE other.evidence_id = given.evidence_id"
        " AND other.org_code = given.org_code AND other.withdrawn_at IS NULL AND other.basis < given.basis)"
    )
    op.drop_constraint("pk_evidence_grants", "evidence_grants", type_="primary")
    op.create_primary_key("pk_evidence_grants", "evidence_grants", ["evidence_id", "org_code"])
    op.drop_column("evidence_grants", "withdrawn_at")
    op.drop_column("evidence_grants", "version")
    op.drop_column("evidence_grants", "basis")
    op.execute("DROP TRIGGER keep_all ON custody_events")
    op.drop_column("custody_events", "about")
    op.drop_column("custody_events", "via")
    op.drop_column("custody_events", "org_name")
