"""History stays as it was written: changes and inspections refuse UPDATE, changes refuse DELETE as well.

Only the sealed form of a change may be replaced, by another one: keys change (`wangjian registry rekey`).
Inspections go with their presence when an import that made it is undone.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_KEEP = """
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'changes' THEN
    IF (to_jsonb(NEW) - 'sealed') = (to_jsonb(OLD) - 'sealed')
       AND (NEW.sealed IS NULL) = (OLD.sealed IS NULL) THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'history of % is never changed', TG_TABLE_NAME;
END $$
"""


def upgrade() -> None:
    op.execute(_KEEP)
    op.execute(
        "CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON changes FOR EACH ROW EXECUTE FUNCTION keep_history()"
    )
    op.execute(
        "CREATE TRIGGER keep BEFORE UPDATE ON inspections FOR EACH ROW EXECUTE FUNCTION keep_history()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER keep ON inspections")
    op.execute("DROP TRIGGER keep ON changes")
    op.execute("DROP FUNCTION keep_history()")
