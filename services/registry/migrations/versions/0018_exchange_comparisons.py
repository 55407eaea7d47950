"""Hashes of another region wait for their comparison, which goes on in the background."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "link_exchange_comparisons",
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("exchange_id", sa.String(26), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("shops", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.Column("compared_no", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["link_exchange_messages.id"],
            name=op.f("fk_link_exchange_comparisons_message_id_link_exchange_messages"),
        ),
        sa.ForeignKeyConstraint(
            ["exchange_id"],
            ["link_exchanges.id"],
            name=op.f("fk_link_exchange_comparisons_exchange_id_link_exchanges"),
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_link_exchange_comparisons")),
    )
    op.create_index(
        "ix_link_exchange_comparisons_open",
        "link_exchange_comparisons",
        ["message_id"],
        postgresql_where=sa.text("state = 'open'"),
    )


def downgrade() -> None:
    op.drop_table("link_exchange_comparisons")
