"""Judgements of merged shops bind the shops they were merged into, and come back when that is undone."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_SURVIVOR = """
CREATE FUNCTION survivor(shop bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
  WITH RECURSIVE up AS (
    SELECT no, merged_into FROM presences WHERE no = shop
    UNION SELECT p.no, p.merged_into FROM up JOIN presences p ON p.id = up.merged_into
  ) SELECT coalesce((SELECT no FROM up WHERE merged_into IS NULL), shop)
$$
"""
# Of one judgement: the two shops it is about today; nothing once they are one.
_BIND = """
CREATE FUNCTION bind_judgement(number bigint) RETURNS void LANGUAGE sql AS $$
  DELETE FROM bound_judgements WHERE judgement = number;
  INSERT INTO bound_judgements (judgement, shop_a, shop_b, verdict)
  SELECT j.id, least(s.a, s.b), greatest(s.a, s.b), j.verdict FROM judgements j
  CROSS JOIN LATERAL (SELECT survivor(j.shop_a) AS a, survivor(j.shop_b) AS b) s
  WHERE j.id = number AND j.live AND s.a <> s.b
$$
"""
_JUDGED = """
CREATE FUNCTION judgement_bound() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM bind_judgement(NEW.id);
  RETURN NULL;
END $$
"""
_MERGED = """
CREATE FUNCTION judgements_follow_merge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM bind_judgement(j.id) FROM judgements j JOIN (
    WITH RECURSIVE down AS (
      SELECT NEW.id AS id, NEW.no AS no
      UNION SELECT p.id, p.no FROM down JOIN presences p ON p.merged_into = down.id
    ) SELECT no FROM down
  ) d ON d.no IN (j.shop_a, j.shop_b) WHERE j.live;
  RETURN NULL;
END $$
"""
# The latest judgement of what is one pair today counts.
_COUNTING = """
CREATE VIEW counting_judgements AS
SELECT DISTINCT ON (shop_a, shop_b) shop_a, shop_b, verdict, judgement FROM bound_judgements
ORDER BY shop_a, shop_b, judgement DESC
"""


def upgrade() -> None:
    op.create_table(
        "bound_judgements",
        sa.Column("judgement", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("shop_a", sa.BigInteger(), nullable=False),
        sa.Column("shop_b", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("judgement", name=op.f("pk_bound_judgements")),
        sa.ForeignKeyConstraint(
            ["judgement"],
            ["judgements.id"],
            name=op.f("fk_bound_judgements_judgement_judgements"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_bound_judgements_pair", "bound_judgements", ["shop_a", "shop_b", "judgement"])
    op.create_index("ix_bound_judgements_b", "bound_judgements", ["shop_b"])
    op.create_index(
        "ix_presences_merged_into",
        "presences",
        ["merged_into"],
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    for statement in (_SURVIVOR, _BIND, _JUDGED, _MERGED, _COUNTING):
        op.execute(statement)
    op.execute(
        "CREATE TRIGGER bound AFTER INSERT OR UPDATE ON judgements"
        " FOR EACH ROW EXECUTE FUNCTION judgement_bound()"
    )
    op.execute(
        "CREATE TRIGGER judgements_follow AFTER UPDATE OF merged_into ON presences FOR EACH ROW"
        " WHEN (OLD.merged_into IS DISTINCT FROM NEW.merged_into) EXECUTE FUNCTION judgements_follow_merge()"
    )
    op.execute("SELECT bind_judgement(id) FROM judgements WHERE live")


def downgrade() -> None:
    op.execute("DROP TRIGGER judgements_follow ON presences")
    op.execute("DROP TRIGGER bound ON judgements")
    op.execute("DROP VIEW counting_judgements")
    for function in (
        "judgements_follow_merge()",
        "judgement_bound()",
        "bind_judgement(bigint)",
        "survivor(bigint)",
    ):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_index("ix_presences_merged_into", table_name="presences")
    op.drop_table("bound_judgements")
