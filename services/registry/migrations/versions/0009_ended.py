"""Identifiers a shop no longer shows, by value: links that are no more are found at once."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_identifiers_ended",
        "identifiers",
        ["kind", "key", "presence_no"],
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_identifiers_ended", table_name="identifiers")
