"""Signing keys with their times."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Public keys; the service registers those it finds at its next start."""
    op.create_table(
        "signing_keys",
        sa.Column("keyid", sa.String(64), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("suite", sa.String(16), nullable=False),
        sa.Column("algorithm", sa.String(32), nullable=False),
        sa.Column("public_der", sa.LargeBinary(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("role IN ('worker', 'sealing')", name=op.f("ck_signing_keys_known_role")),
        sa.CheckConstraint(
            "suite IN ('international', 'national')", name=op.f("ck_signing_keys_known_suite")
        ),
        sa.CheckConstraint(
            "keyid = encode(sha256(public_der), 'hex')", name=op.f("ck_signing_keys_own_keyid")
        ),
        sa.PrimaryKeyConstraint("keyid", name=op.f("pk_signing_keys")),
    )


def downgrade() -> None:
    """The public keys stay in the log's key events."""
    op.drop_table("signing_keys")
