"""Store: version ids, dated retention rules, what holds for each item, sweeps and what they found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Whatever path seals an item, its retention begins in the same transaction.
_BEGIN = """
CREATE FUNCTION begin_retention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO retentions (evidence_id) VALUES (NEW.id)
    ON CONFLICT (evidence_id) DO UPDATE SET pending = true;
  RETURN NULL;
END $$;
CREATE TRIGGER begin_retention AFTER UPDATE OF stage ON evidence_items
  FOR EACH ROW WHEN (NEW.stage = 'sealed' AND OLD.stage <> 'sealed') EXECUTE FUNCTION begin_retention();
CREATE FUNCTION keep_retention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.until < OLD.until OR (NEW.until IS NULL AND OLD.until IS NOT NULL) THEN
    RAISE EXCEPTION 'a retention is never shortened';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_value BEFORE UPDATE ON retentions FOR EACH ROW EXECUTE FUNCTION keep_retention();
CREATE TRIGGER keep BEFORE DELETE ON retentions FOR EACH ROW EXECUTE FUNCTION refuse_change();
INSERT INTO retentions (evidence_id) SELECT id FROM evidence_items WHERE stage = 'sealed';
"""


def upgrade() -> None:
    op.add_column("artefacts", sa.Column("version_id", sa.String(length=200), nullable=True))
    op.create_table(
        "retention_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(length=20), nullable=False),
        sa.Column("zh", sa.String(length=100), nullable=False),
        sa.Column("en", sa.String(length=100), nullable=False),
        sa.Column("years", sa.Integer(), nullable=False),
        sa.Column("law", sa.String(length=100), nullable=False),
        sa.Column("article", sa.String(length=60), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_to", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_rules")),
        sa.UniqueConstraint(
            "category", "effective_from", name=op.f("uq_retention_rules_category_effective_from")
        ),
    )
    op.create_table(
        "retentions",
        sa.Column("evidence_id", sa.String(length=26), nullable=False),
        sa.Column("category", sa.String(length=20), server_default="capture", nullable=False),
        sa.Column("rule_id", sa.Integer(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("hold_by", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("hold_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pending", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("locked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["evidence_id"], ["evidence_items.id"], name=op.f("fk_retentions_evidence_id_evidence_items")
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["retention_rules.id"], name=op.f("fk_retentions_rule_id_retention_rules")
        ),
        sa.PrimaryKeyConstraint("evidence_id", name=op.f("pk_retentions")),
    )
    op.create_index(
        "ix_retentions_pending", "retentions", ["evidence_id"], postgresql_where=sa.text("pending")
    )
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("requested_by", sa.String(length=120), nullable=False),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("cancel", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("phase", sa.String(length=10), server_default="objects", nullable=False),
        sa.Column("cursor", sa.String(length=200), server_default="", nullable=False),
        sa.Column("objects_total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes_total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("objects_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("listed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
        sa.UniqueConstraint("slot", name=op.f("uq_sweeps_slot")),
    )
    op.create_table(
        "sweep_findings",
        sa.Column("sweep_id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("evidence_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweeps.id"], name=op.f("fk_sweep_findings_sweep_id_sweeps")),
        sa.PrimaryKeyConstraint("sweep_id", "name", "kind", name=op.f("pk_sweep_findings")),
    )
    op.execute(_BEGIN)


def downgrade() -> None:
    op.execute("DROP TRIGGER begin_retention ON evidence_items")
    op.drop_table("sweep_findings")
    op.drop_table("sweeps")
    op.drop_index("ix_retentions_pending", table_name="retentions")
    op.drop_table("retentions")
    op.drop_table("retention_rules")
    op.execute("DROP FUNCTION begin_retention, keep_retention")
    op.drop_column("artefacts", "version_id")
