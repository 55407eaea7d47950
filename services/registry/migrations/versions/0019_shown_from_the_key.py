"""What a shop shows now is read from the key of `identifiers` alone, which knows what ended."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_KEY = "ALTER TABLE identifiers DROP CONSTRAINT pk_identifiers, ADD CONSTRAINT pk_identifiers PRIMARY KEY"


def upgrade() -> None:
    op.execute(f"{_KEY} (presence_no, kind, key) INCLUDE (ended_at)")


def downgrade() -> None:
    op.execute(f"{_KEY} (presence_no, kind, key)")
