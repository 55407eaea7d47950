"""Duplicates and merges; half-yearly reports of platforms."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _duplicates()
    op.create_table(
        "platform_reports",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("platform", sa.String(100), nullable=False),
        sa.Column("period", sa.String(7), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("rule", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.String(10), server_default="received", nullable=False),
        sa.Column("encoding", sa.String(20), nullable=True),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("bad_rows", sa.Integer(), nullable=True),
        sa.Column("remarks", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("errors", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("last_rows", sa.Integer(), nullable=True),
        sa.Column("known_shops", sa.Integer(), nullable=True),
        sa.Column("findings", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("receipt", postgresql.JSONB(), nullable=False),
        sa.Column("org_code", sa.String(40), nullable=False),
        sa.Column("region_code", sa.String(6), nullable=False),
        sa.Column("created_by", sa.String(80), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_reports")),
    )
    op.create_index(
        "uq_platform_reports_file",
        "platform_reports",
        ["org_code", "platform", "period", "sha256"],
        unique=True,
    )
    op.create_index("ix_platform_reports_region_id", "platform_reports", ["region_code", "id"])
    op.create_index(
        "ix_platform_reports_open",
        "platform_reports",
        ["id"],
        postgresql_where=sa.text("state IN ('received', 'checking')"),
    )


def _duplicates() -> None:
    op.create_table(
        "duplicates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("object_type", sa.String(10), nullable=False),
        sa.Column("first_id", sa.String(26), nullable=False),
        sa.Column("second_id", sa.String(26), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(10), server_default="open", nullable=False),
        sa.Column("found_at", _TIME, nullable=False),
        sa.Column("decided_at", _TIME, nullable=True),
        sa.Column("decided_by", sa.String(80), nullable=True),
        sa.Column("decided_by_name", sa.String(80), nullable=True),
        sa.Column("note", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicates")),
    )
    op.create_index("uq_duplicates_pair", "duplicates", ["object_type", "first_id", "second_id"], unique=True)
    op.create_index("ix_duplicates_state", "duplicates", ["state", "object_type", "id"])
    op.create_index("ix_duplicates_second_id", "duplicates", ["second_id"])
    op.create_table(
        "merges",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("duplicate_id", sa.BigInteger(), nullable=False),
        sa.Column("object_type", sa.String(10), nullable=False),
        sa.Column("kept_id", sa.String(26), nullable=False),
        sa.Column("merged_id", sa.String(26), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("moved", postgresql.JSONB(), nullable=False),
        sa.Column("snapshot", sa.LargeBinary(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
        sa.Column("by_name", sa.String(80), nullable=False),
        sa.Column("org_code", sa.String(40), nullable=False),
        sa.Column("undone_at", _TIME, nullable=True),
        sa.Column("undone_by", sa.String(80), nullable=True),
        sa.Column("undone_by_name", sa.String(80), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
    )
    standing = sa.text("undone_at IS NULL")
    op.create_index("ix_merges_kept_id", "merges", ["kept_id"], postgresql_where=standing)
    op.create_index("uq_merges_merged_id", "merges", ["merged_id"], unique=True, postgresql_where=standing)


def downgrade() -> None:
    op.drop_table("platform_reports")
    op.drop_table("merges")
    op.drop_table("duplicates")
