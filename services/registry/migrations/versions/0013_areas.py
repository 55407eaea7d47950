"""Rows of a division by their number: county and city, for lists that are read in order."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TABLES = ("subjects", "presences")


def upgrade() -> None:
    for table in _TABLES:
        op.create_index(f"ix_{table}_region_no", table, ["region_code", "no"])
        op.create_index(f"ix_{table}_city_no", table, [sa.text('"left"(region_code::text, 4)'), "no"])
        op.drop_index(f"ix_{table}_region_id", table)


def downgrade() -> None:
    for table in _TABLES:
        op.create_index(f"ix_{table}_region_id", table, ["region_code", "id"])
        op.drop_index(f"ix_{table}_city_no", table)
        op.drop_index(f"ix_{table}_region_no", table)
