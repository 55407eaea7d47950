"""Jurisdiction: standing of presences, its history, jobs over many; verification plans, checks, weeding."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The history is evidence of who decided what: the database itself refuses to change or remove a step.
_HISTORIES = ("claim_steps", "status_steps")
_FUNCTION = """
CREATE FUNCTION registry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
"""
_TRIGGERS = """
CREATE TRIGGER {0}_append_only BEFORE UPDATE OR DELETE ON {0}
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER {0}_no_truncate BEFORE TRUNCATE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
"""


def upgrade() -> None:
    for column in (
        sa.Column("claim_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claim_at", sa.DateTime(timezone=True)),
        sa.Column("offered_code", sa.String(40)),
        sa.Column("assigner_code", sa.String(40)),
        sa.Column("match_code", sa.String(40)),
        sa.Column("match_confidence", sa.SmallInteger()),
    ):
        op.add_column("presences", column)
    op.create_index("ix_presences_claim", "presences", ["claim_state", "region_code", "id"])
    _claims()
    _verifications()
    op.execute(_FUNCTION)
    for table in _HISTORIES:
        op.execute(_TRIGGERS.format(table))


def _author() -> list[sa.Column[object]]:
    return [
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("actor_name", sa.String(80), nullable=False),
        sa.Column("org_code", sa.String(40), nullable=False),
        sa.Column("org_name", sa.String(100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    ]


def _owned() -> list[sa.Column[object]]:
    return [
        sa.Column("org_code", sa.String(40), nullable=False),
        sa.Column("region_code", sa.String(6), nullable=False),
        sa.Column("created_by", sa.String(80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    ]


def _claims() -> None:
    op.create_table(
        "claim_steps",
        sa.Column("seq", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("presence_no", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("machine_version", sa.String(20), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("from_state", sa.String(20), nullable=False),
        sa.Column("to_state", sa.String(20), nullable=False),
        sa.Column("authority_before", sa.String(40), nullable=False),
        sa.Column("authority_code", sa.String(40), nullable=False),
        sa.Column("offered_code", sa.String(40)),
        sa.Column("region_code", sa.String(6), nullable=False),
        sa.Column("basis", sa.String(20)),
        sa.Column("reason_code", sa.String(20)),
        sa.Column("reason", sa.String(2000)),
        sa.Column("confidence", sa.SmallInteger()),
        sa.Column("job_id", sa.String(26)),
        *_author(),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_claim_steps")),
        sa.UniqueConstraint("presence_no", "version", name=op.f("uq_claim_steps_presence_no_version")),
    )
    op.create_table(
        "claim_jobs",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("caller", postgresql.JSONB(), nullable=False),
        sa.Column("command", postgresql.JSONB(), nullable=False),
        sa.Column("selection", postgresql.JSONB(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("skipped", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("error", sa.String(500)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        *_owned(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_jobs")),
        sa.UniqueConstraint("created_by", "key", name=op.f("uq_claim_jobs_created_by_key")),
    )
    waiting = sa.text("state IN ('queued', 'running')")
    op.create_index("ix_claim_jobs_open", "claim_jobs", ["id"], postgresql_where=waiting)
    op.create_index("ix_claim_jobs_region_id", "claim_jobs", ["region_code", "id"])


def _verifications() -> None:
    op.create_table(
        "verification_plans",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("check_class", sa.String(20), nullable=False),
        sa.Column("every_days", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(20)),
        sa.Column("platform", sa.String(100)),
        sa.Column("only_claimed", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("last_run_at", sa.DateTime(timezone=True)),
        sa.Column("cursor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("upto", sa.BigInteger()),
        sa.Column("planned", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_by_name", sa.String(80), nullable=False),
        *_owned(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_plans")),
    )
    op.create_index("ix_verification_plans_region_id", "verification_plans", ["region_code", "id"])
    op.create_table(
        "verifications",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("presence_no", sa.BigInteger(), nullable=False),
        sa.Column("check_class", sa.String(20), nullable=False),
        sa.Column("plan_id", sa.String(26)),
        sa.Column("region_code", sa.String(6), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.String(2000)),
        sa.Column("evidence_id", sa.String(26)),
        sa.Column("actor", sa.String(80)),
        sa.Column("actor_name", sa.String(80)),
        sa.Column("org_code", sa.String(40)),
        sa.Column("org_name", sa.String(100)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
    )
    op.create_index(
        "uq_verifications_open",
        "verifications",
        ["presence_no", "check_class"],
        unique=True,
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_index("ix_verifications_list", "verifications", ["state", "region_code", "due_at", "id"])
    op.create_index("ix_verifications_done", "verifications", ["presence_no", "check_class", "done_at"])
    op.create_table(
        "status_steps",
        sa.Column("seq", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("presence_no", sa.BigInteger(), nullable=False),
        sa.Column("machine_version", sa.String(20), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("from_status", sa.String(20), nullable=False),
        sa.Column("to_status", sa.String(20), nullable=False),
        sa.Column("reason_code", sa.String(20)),
        sa.Column("reason", sa.String(2000)),
        sa.Column("verification_id", sa.String(26)),
        *_author(),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_status_steps")),
    )
    op.create_index("ix_status_steps_presence", "status_steps", ["presence_no", "seq"])


def downgrade() -> None:
    for table in ("status_steps", "verifications", "verification_plans", "claim_jobs", "claim_steps"):
        op.drop_table(table)
    op.execute("DROP FUNCTION registry_append_only")
    op.drop_index("ix_presences_claim", table_name="presences")
    for column in (
        "match_confidence",
        "match_code",
        "assigner_code",
        "offered_code",
        "claim_at",
        "claim_version",
    ):
        op.drop_column("presences", column)
