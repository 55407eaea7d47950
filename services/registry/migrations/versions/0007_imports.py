"""Imports: how a file is read and how far it is, remarks in a table, columns remembered by source."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_NULLABLE_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_OBJECT, _LIST, _ZERO = sa.text("'{}'::jsonb"), sa.text("'[]'::jsonb"), sa.text("0")
_INSTANT = sa.DateTime(timezone=True)
_NEW = (
    ("bytes", sa.BigInteger(), _ZERO, False),
    ("layout", _JSON, _OBJECT, False),
    ("headers", _JSON, _LIST, False),
    ("mapping", _JSON, _LIST, False),
    ("rows_total", sa.Integer(), _ZERO, False),
    ("cursor", sa.Integer(), _ZERO, False),
    ("doubled", sa.Integer(), _ZERO, False),
    ("tallies", _JSON, _OBJECT, False),
    ("plan", _NULLABLE_JSON, None, True),
    ("undone", _NULLABLE_JSON, None, True),
    ("actor", _NULLABLE_JSON, None, True),
    ("stamp", _INSTANT, None, True),
    ("cancel", sa.Boolean(), sa.false(), False),
    ("lease_until", _INSTANT, None, True),
    ("problem", _NULLABLE_JSON, None, True),
    ("links", sa.String(length=10), None, True),
)


def upgrade() -> None:
    for name, kind, default, nullable in _NEW:
        op.add_column("imports", sa.Column(name, kind, server_default=default, nullable=nullable))
    op.create_table(
        "import_remarks",
        sa.Column("import_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("source_id", sa.String(length=128), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column("zh", sa.String(length=300), nullable=False),
        sa.Column("en", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_import_remarks_import_id_imports"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", "seq", name=op.f("pk_import_remarks")),
    )
    for severity, column in ((2, "errors"), (1, "warnings")):
        op.execute(
            f"INSERT INTO import_remarks (import_id, row, severity, source_id, field, code, value, zh, en)"  # noqa: S608
            f" SELECT i.id, (r->>'row')::int, {severity}, '', left(r->>'field', 40), left(r->>'code', 40),"
            f" '', left(r->>'zh', 300), left(r->>'en', 300)"
            f" FROM imports i, jsonb_array_elements(i.{column}) r"
        )
        op.drop_column("imports", column)
    op.create_table(
        "import_sources",
        sa.Column("org_code", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("fields", _JSON, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("updated_by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("org_code", "source", name=op.f("pk_import_sources")),
    )
    op.create_index(
        "ix_imports_work",
        "imports",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('checking', 'running', 'undoing')"),
    )
    # Before, an import ran inside its request: one still "running" broke off and has no file to go on with.
    op.execute("UPDATE imports SET state = 'failed', finished_at = updated_at WHERE state = 'running'")
    op.execute("UPDATE imports SET cursor = rows + 1, rows_total = rows + 1")
    op.add_column("subjects", sa.Column("import_id", sa.String(length=26), nullable=True))
    op.create_index(
        "ix_subjects_import_id",
        "subjects",
        ["import_id"],
        unique=False,
        postgresql_where=sa.text("import_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_subjects_import_id", table_name="subjects", postgresql_where=sa.text("import_id IS NOT NULL")
    )
    op.drop_column("subjects", "import_id")
    op.drop_index(
        "ix_imports_work",
        table_name="imports",
        postgresql_where=sa.text("state IN ('checking', 'running', 'undoing')"),
    )
    op.drop_table("import_sources")
    for severity, column in ((2, "errors"), (1, "warnings")):
        op.add_column("imports", sa.Column(column, _JSON, server_default=_LIST, nullable=False))
        op.execute(
            f"UPDATE imports i SET {column} = r.found FROM (SELECT import_id, jsonb_agg(jsonb_build_object("  # noqa: S608
            f"'row', row, 'field', field, 'code', code, 'zh', zh, 'en', en) ORDER BY seq) AS found"
            f" FROM (SELECT *, row_number() OVER (PARTITION BY import_id ORDER BY seq) AS n"
            f" FROM import_remarks WHERE severity = {severity}) first WHERE n <= 1000 GROUP BY import_id) r"
            " WHERE r.import_id = i.id"
        )
        op.alter_column("imports", column, server_default=None)
    op.drop_table("import_remarks")
    for name, _, _, _ in reversed(_NEW):
        op.drop_column("imports", name)
