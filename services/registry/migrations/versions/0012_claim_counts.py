"""The index of jurisdiction holds all that counting by region and state needs, and no more."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_presences_claim", table_name="presences")
    op.create_index("ix_presences_claim", "presences", ["claim_state", "region_code", "status"])


def downgrade() -> None:
    op.drop_index("ix_presences_claim", table_name="presences")
    op.create_index("ix_presences_claim", "presences", ["claim_state", "region_code", "id"])
