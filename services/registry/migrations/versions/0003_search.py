"""Search: facts as tokens beside the grams, generated; one index over grams, keyed grams and tokens."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COMMON = (
    "'r' || left(region_code, 4), 'r' || region_code, 's' || status, 'o' || source, 'w' || (risk / 10)::text,"
    " 'b' || (no >> 14)::text, CASE WHEN last_inspected_at IS NULL THEN 'i-' ELSE 'i' ||"
    " floor(extract(epoch FROM last_inspected_at - to_timestamp(0)) / 7776000)::integer::text END"
)
_FACETS = {
    "subjects": f"array_remove(ARRAY[{_COMMON}, 'k' || kind], NULL) || tags::text[]",
    "presences": (
        f"array_remove(ARRAY[{_COMMON}, 'c' || channel, 'p' || platform, 'j' || claim_state,"
        " CASE WHEN label_no IS NOT NULL THEN 'l' END], NULL) || tags::text[]"
    ),
}


def upgrade() -> None:
    for table, facets in _FACETS.items():
        op.drop_index(f"ix_{table}_grams", table)
        op.drop_index(f"ix_{table}_contact_grams", table)
        column = sa.Column("facets", postgresql.ARRAY(sa.Text()), sa.Computed(facets, persisted=True))
        column.nullable = False
        op.add_column(table, column)
        op.create_index(
            f"ix_{table}_search", table, ["grams", "contact_grams", "facets"], postgresql_using="gin"
        )


def downgrade() -> None:
    for table in _FACETS:
        op.drop_index(f"ix_{table}_search", table)
        op.drop_column(table, "facets")
        op.create_index(f"ix_{table}_grams", table, ["grams"], postgresql_using="gin")
        op.create_index(f"ix_{table}_contact_grams", table, ["contact_grams"], postgresql_using="gin")
