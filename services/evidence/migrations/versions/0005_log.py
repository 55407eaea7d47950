"""The log in shards: their table, entries and checkpoints of a shard, leaves taken out of a forked one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A leaf may leave its place, or get its own bytes back, only once it is kept as an orphan as it is now:
# that is what reconciling does first.
_KEEP = """
CREATE OR REPLACE FUNCTION keep_log_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.ref = OLD.ref AND NEW.id = OLD.id THEN
    IF OLD.index IS NULL AND NEW.entry = OLD.entry THEN
      RETURN NEW;
    END IF;
    IF EXISTS (SELECT 1 FROM log_orphans o
        WHERE o.shard = OLD.shard AND o.index = OLD.index AND o.entry = OLD.entry) THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'a log entry cannot be changed';
END $$;
CREATE OR REPLACE FUNCTION keep_log_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.note <> OLD.note OR NEW.size <> OLD.size OR NEW.shard <> OLD.shard OR OLD.cosigned IS NOT NULL THEN
    RAISE EXCEPTION 'a checkpoint cannot be changed';
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION keep_log_shard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.number <> OLD.number OR NEW.origin <> OLD.origin OR NEW.vkey <> OLD.vkey
      OR (OLD.state <> 'open' AND NEW.state <> OLD.state) THEN
    RAISE EXCEPTION 'a shard of the log cannot be changed';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER keep BEFORE DELETE ON log_shards FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER keep_value BEFORE UPDATE ON log_shards FOR EACH ROW EXECUTE FUNCTION keep_log_shard();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON log_orphans FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

_KEEP_BEFORE = """
CREATE OR REPLACE FUNCTION keep_log_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.index IS NOT NULL OR NEW.entry <> OLD.entry OR NEW.ref <> OLD.ref OR NEW.id <> OLD.id THEN
    RAISE EXCEPTION 'a log entry cannot be changed';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION keep_log_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.note <> OLD.note OR NEW.size <> OLD.size OR OLD.cosigned IS NOT NULL THEN
    RAISE EXCEPTION 'a checkpoint cannot be changed';
  END IF;
  RETURN NEW;
END $$;
"""


def upgrade() -> None:
    op.create_table(
        "log_shards",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("refusal", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'frozen', 'forked')", name=op.f("ck_log_shards_state")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_log_shards")),
        sa.UniqueConstraint("origin", name=op.f("uq_log_shards_origin")),
    )
    op.create_table(
        "log_orphans",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ref", sa.String(length=80), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("shard", "index", name=op.f("pk_log_orphans")),
    )
    op.add_column("log_entries", sa.Column("shard", sa.Integer(), nullable=True))
    op.execute("ALTER TABLE log_entries DISABLE TRIGGER keep_value")
    op.execute("UPDATE log_entries SET shard = 0 WHERE index IS NOT NULL")
    op.execute("ALTER TABLE log_entries ENABLE TRIGGER keep_value")
    op.drop_constraint("uq_log_entries_index", "log_entries")
    op.create_unique_constraint(op.f("uq_log_entries_shard_index"), "log_entries", ["shard", "index"])
    op.create_check_constraint(
        op.f("ck_log_entries_leaf"), "log_entries", "(shard IS NULL) = (index IS NULL)"
    )
    op.add_column("log_checkpoints", sa.Column("shard", sa.Integer(), server_default="0", nullable=False))
    op.alter_column("log_checkpoints", "shard", server_default=None)
    op.drop_constraint("pk_log_checkpoints", "log_checkpoints")
    op.create_primary_key("pk_log_checkpoints", "log_checkpoints", ["shard", "size"])
    op.execute(_KEEP)


def downgrade() -> None:
    """Only while there is one shard: several cannot be told apart in the older tables."""
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT 1 FROM log_shards WHERE number > 0) THEN"
        " RAISE EXCEPTION 'the log has more than one shard'; END IF; END $$"
    )
    op.drop_constraint("pk_log_checkpoints", "log_checkpoints")
    op.create_primary_key("pk_log_checkpoints", "log_checkpoints", ["size"])
    op.drop_constraint(op.f("ck_log_entries_leaf"), "log_entries")
    op.drop_constraint(op.f("uq_log_entries_shard_index"), "log_entries")
    op.create_unique_constraint(op.f("uq_log_entries_index"), "log_entries", ["index"])
    op.execute(_KEEP_BEFORE)
    op.drop_column("log_checkpoints", "shard")
    op.drop_column("log_entries", "shard")
    op.drop_table("log_orphans")
    op.drop_table("log_shards")
    op.execute("DROP FUNCTION keep_log_shard")
