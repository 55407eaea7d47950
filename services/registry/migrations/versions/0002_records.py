"""Records: sealed personal values, history, identifiers, permits, tags, inspections, retired codes.

Rows of before are sealed here, and unsealed again on the way down. The tables are written anew by PostgreSQL
when `no` is added, so that no page keeps the values of the dropped columns; old backups and WAL still do.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


_PERSONAL = {
    "subjects": ("phone", "qq", "wechat", "address", "legal_person"),
    "presences": ("phone", "qq", "wechat", "address"),
}
_BATCH = 2_000


def _batches(table: str) -> Any:
    """The rows of a table in batches, by id; each batch is read before it is changed."""
    connection, last = op.get_bind(), ""
    statement = sa.text(f"SELECT * FROM {table} WHERE id > :last ORDER BY id LIMIT {_BATCH}")  # noqa: S608
    while rows := connection.execute(statement, {"last": last}).mappings().all():
        yield connection, rows
        last = rows[-1]["id"]


def _seal(table: str) -> None:
    from services.common.personal import PersonalData
    from services.common.personal_keys import load
    from services.registry.search.rules import contact_grams
    from services.registry.subjects.rules import searchable

    personal = None
    write = sa.text(
        f"UPDATE {table} SET personal = :personal, contact_grams = :contact_grams, grams = :grams,"  # noqa: S608
        " search_text = :search_text, first_seen = created_at, last_seen = updated_at WHERE id = :id"
    )
    for connection, rows in _batches(table):
        personal = personal or PersonalData(load(connection))
        changed = []
        for row in rows:
            values = {name: row[name] for name in _PERSONAL[table] if row[name]}
            text, grams = searchable({k: v for k, v in row.items() if k not in values}, row["region_code"])
            changed.append(
                {
                    "id": row["id"],
                    "personal": personal.seal(values, row["id"]) if values else None,
                    "contact_grams": contact_grams(values, row["region_code"], personal.gram),
                    "search_text": text,
                    "grams": grams,
                }
            )
        connection.execute(write, changed)


def _unseal(table: str) -> None:
    from services.common.personal import PersonalData
    from services.common.personal_keys import load

    personal = None
    sets = ", ".join(f"{name} = :{name}" for name in _PERSONAL[table])
    write = sa.text(
        f"UPDATE {table} SET {sets}, search_text = search_text || :found WHERE id = :id"  # noqa: S608
    )
    for connection, rows in _batches(table):
        personal = personal or PersonalData(load(connection))
        for row in rows:
            values = personal.open(row["personal"], row["id"]) if row["personal"] else {}
            if values:
                found = "".join(f"\n{value.casefold()}" for value in values.values())
                given = {name: values.get(name) for name in _PERSONAL[table]}
                connection.execute(write, {"id": row["id"], "found": found, **given})


def upgrade() -> None:  # noqa: PLR0915
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("object_type", sa.String(length=20), nullable=False),
        sa.Column("object_id", sa.String(length=40), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("old", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("new", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("import_id", sa.String(length=26), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("by_name", sa.String(length=80), nullable=False),
        sa.Column("org_code", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
    )
    op.create_index(
        "ix_changes_import_id",
        "changes",
        ["import_id"],
        unique=False,
        postgresql_where=sa.text("import_id IS NOT NULL"),
    )
    op.create_index("ix_changes_object", "changes", ["object_type", "object_id", "id"], unique=False)
    op.create_table(
        "data_keys",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("active_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_keys")),
    )
    op.create_table(
        "identifiers",
        sa.Column("presence_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("presence_no", "kind", "key", name=op.f("pk_identifiers")),
    )
    op.create_index(
        "ix_identifiers_kind_key_presence_no",
        "identifiers",
        ["kind", "key", "presence_no"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "tags",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("tone", sa.String(length=10), server_default="info", nullable=False),
        sa.Column("description", sa.String(length=500), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("org_code", sa.String(length=40), nullable=False),
        sa.Column("region_code", sa.String(length=6), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
    )
    op.create_index(
        "uq_tags_org_name",
        "tags",
        ["org_code", "name"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    op.create_table(
        "region_aliases",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.String(length=6), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("successor", sa.String(length=6), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["successor"], ["regions.code"], name=op.f("fk_region_aliases_successor_regions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_region_aliases")),
        sa.UniqueConstraint("code", "name", name=op.f("uq_region_aliases_code_name")),
    )
    op.create_table(
        "inspections",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("presence_id", sa.String(length=26), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("by_name", sa.String(length=80), nullable=False),
        sa.Column("org_code", sa.String(length=40), nullable=False),
        sa.Column("region_code", sa.String(length=6), nullable=False),
        sa.Column("result", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("evidence_id", sa.String(length=26), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["presence_id"],
            ["presences.id"],
            name=op.f("fk_inspections_presence_id_presences"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspections")),
    )
    op.create_index("ix_inspections_presence_id_at", "inspections", ["presence_id", "at"], unique=False)
    op.create_index("ix_inspections_region_id", "inspections", ["region_code", "id"], unique=False)
    op.create_table(
        "permits",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("subject_id", sa.String(length=26), nullable=True),
        sa.Column("presence_id", sa.String(length=26), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=True),
        sa.Column("issued_by", sa.String(length=200), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("verify_state", sa.String(length=20), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("org_code", sa.String(length=40), nullable=False),
        sa.Column("region_code", sa.String(length=6), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["presence_id"],
            ["presences.id"],
            name=op.f("fk_permits_presence_id_presences"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_permits_subject_id_subjects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permits")),
    )
    op.create_index("ix_permits_presence_id", "permits", ["presence_id"], unique=False)
    op.create_index("ix_permits_subject_id", "permits", ["subject_id"], unique=False)
    op.add_column(
        "organisations", sa.Column("kind", sa.String(length=10), server_default="bureau", nullable=False)
    )
    op.add_column(
        "organisations",
        sa.Column(
            "area",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column(
        "organisations", sa.Column("verified", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.add_column("presences", sa.Column("police_no", sa.String(length=200), nullable=True))
    op.add_column("presences", sa.Column("path_description", sa.Text(), nullable=True))
    op.add_column("presences", sa.Column("ownership", sa.String(length=1), nullable=True))
    op.add_column("presences", sa.Column("exemption", sa.String(length=20), nullable=True))
    op.add_column("presences", sa.Column("over_100k", sa.Boolean(), nullable=True))
    op.add_column(
        "presences",
        sa.Column(
            "categories",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("presences", sa.Column("label_no", sa.String(length=60), nullable=True))
    op.add_column("presences", sa.Column("alive", sa.Boolean(), nullable=True))
    op.add_column("presences", sa.Column("http_state", sa.String(length=20), nullable=True))
    op.add_column("presences", sa.Column("last_checked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "presences", sa.Column("claim_state", sa.String(length=20), server_default="imported", nullable=False)
    )
    op.add_column("presences", sa.Column("fingerprint", sa.BigInteger(), nullable=True))
    op.add_column("presences", sa.Column("import_id", sa.String(length=26), nullable=True))
    op.add_column("presences", sa.Column("personal", sa.LargeBinary(), nullable=True))
    op.add_column(
        "presences", sa.Column("status", sa.String(length=20), server_default="active", nullable=False)
    )
    op.add_column("presences", sa.Column("risk", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column(
        "presences",
        sa.Column(
            "tags", postgresql.ARRAY(sa.Integer()), server_default=sa.text("'{}'::integer[]"), nullable=False
        ),
    )
    op.add_column(
        "presences",
        sa.Column(
            "contact_grams",
            postgresql.ARRAY(sa.Integer()),
            server_default=sa.text("'{}'::integer[]"),
            nullable=False,
        ),
    )
    op.add_column("presences", sa.Column("authority_code", sa.String(length=40), nullable=True))
    op.add_column("presences", sa.Column("last_inspected_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "presences",
        sa.Column("first_seen", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column(
        "presences",
        sa.Column("last_seen", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("presences", sa.Column("merged_into", sa.String(length=26), nullable=True))
    _seal("presences")
    op.drop_column("presences", "phone")
    op.drop_column("presences", "qq")
    op.drop_column("presences", "wechat")
    op.drop_column("presences", "address")
    op.add_column("presences", sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False))
    op.create_unique_constraint(op.f("uq_presences_no"), "presences", ["no"])
    op.create_index(
        "ix_presences_contact_grams", "presences", ["contact_grams"], unique=False, postgresql_using="gin"
    )
    op.create_index(
        "ix_presences_import_id",
        "presences",
        ["import_id"],
        unique=False,
        postgresql_where=sa.text("import_id IS NOT NULL"),
    )
    op.add_column(
        "subjects",
        sa.Column(
            "former_names",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column(
        "subjects",
        sa.Column(
            "regno15",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("subjects", sa.Column("registered_at", sa.Date(), nullable=True))
    op.add_column("subjects", sa.Column("scope", sa.Text(), nullable=True))
    op.add_column("subjects", sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("subjects", sa.Column("personal", sa.LargeBinary(), nullable=True))
    op.add_column(
        "subjects", sa.Column("status", sa.String(length=20), server_default="active", nullable=False)
    )
    op.add_column("subjects", sa.Column("risk", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column(
        "subjects",
        sa.Column(
            "tags", postgresql.ARRAY(sa.Integer()), server_default=sa.text("'{}'::integer[]"), nullable=False
        ),
    )
    op.add_column(
        "subjects",
        sa.Column(
            "contact_grams",
            postgresql.ARRAY(sa.Integer()),
            server_default=sa.text("'{}'::integer[]"),
            nullable=False,
        ),
    )
    op.add_column("subjects", sa.Column("authority_code", sa.String(length=40), nullable=True))
    op.add_column("subjects", sa.Column("last_inspected_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "subjects",
        sa.Column("first_seen", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column(
        "subjects",
        sa.Column("last_seen", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("subjects", sa.Column("merged_into", sa.String(length=26), nullable=True))
    _seal("subjects")
    op.drop_column("subjects", "qq")
    op.drop_column("subjects", "legal_person")
    op.drop_column("subjects", "address")
    op.drop_column("subjects", "phone")
    op.drop_column("subjects", "wechat")
    op.add_column("subjects", sa.Column("no", sa.BigInteger(), sa.Identity(always=False), nullable=False))
    op.create_unique_constraint(op.f("uq_subjects_no"), "subjects", ["no"])
    op.create_index(
        "ix_subjects_contact_grams", "subjects", ["contact_grams"], unique=False, postgresql_using="gin"
    )


def downgrade() -> None:  # noqa: PLR0915
    op.add_column("subjects", sa.Column("wechat", sa.VARCHAR(length=200), autoincrement=False, nullable=True))
    op.add_column("subjects", sa.Column("phone", sa.VARCHAR(length=200), autoincrement=False, nullable=True))
    op.add_column(
        "subjects", sa.Column("address", sa.VARCHAR(length=1000), autoincrement=False, nullable=True)
    )
    op.add_column(
        "subjects", sa.Column("legal_person", sa.VARCHAR(length=200), autoincrement=False, nullable=True)
    )
    op.add_column("subjects", sa.Column("qq", sa.VARCHAR(length=200), autoincrement=False, nullable=True))
    _unseal("subjects")
    op.drop_index("ix_subjects_contact_grams", table_name="subjects", postgresql_using="gin")
    op.drop_constraint(op.f("uq_subjects_no"), "subjects", type_="unique")
    op.drop_column("subjects", "merged_into")
    op.drop_column("subjects", "last_seen")
    op.drop_column("subjects", "first_seen")
    op.drop_column("subjects", "last_inspected_at")
    op.drop_column("subjects", "authority_code")
    op.drop_column("subjects", "contact_grams")
    op.drop_column("subjects", "tags")
    op.drop_column("subjects", "risk")
    op.drop_column("subjects", "status")
    op.drop_column("subjects", "personal")
    op.drop_column("subjects", "no")
    op.drop_column("subjects", "verified_at")
    op.drop_column("subjects", "scope")
    op.drop_column("subjects", "registered_at")
    op.drop_column("subjects", "regno15")
    op.drop_column("subjects", "former_names")
    op.add_column(
        "presences", sa.Column("address", sa.VARCHAR(length=1000), autoincrement=False, nullable=True)
    )
    op.add_column(
        "presences", sa.Column("wechat", sa.VARCHAR(length=200), autoincrement=False, nullable=True)
    )
    op.add_column("presences", sa.Column("qq", sa.VARCHAR(length=200), autoincrement=False, nullable=True))
    op.add_column("presences", sa.Column("phone", sa.VARCHAR(length=200), autoincrement=False, nullable=True))
    _unseal("presences")
    op.drop_index(
        "ix_presences_import_id", table_name="presences", postgresql_where=sa.text("import_id IS NOT NULL")
    )
    op.drop_index("ix_presences_contact_grams", table_name="presences", postgresql_using="gin")
    op.drop_constraint(op.f("uq_presences_no"), "presences", type_="unique")
    op.drop_column("presences", "merged_into")
    op.drop_column("presences", "last_seen")
    op.drop_column("presences", "first_seen")
    op.drop_column("presences", "last_inspected_at")
    op.drop_column("presences", "authority_code")
    op.drop_column("presences", "contact_grams")
    op.drop_column("presences", "tags")
    op.drop_column("presences", "risk")
    op.drop_column("presences", "status")
    op.drop_column("presences", "personal")
    op.drop_column("presences", "no")
    op.drop_column("presences", "import_id")
    op.drop_column("presences", "fingerprint")
    op.drop_column("presences", "claim_state")
    op.drop_column("presences", "last_checked_at")
    op.drop_column("presences", "http_state")
    op.drop_column("presences", "alive")
    op.drop_column("presences", "label_no")
    op.drop_column("presences", "categories")
    op.drop_column("presences", "over_100k")
    op.drop_column("presences", "exemption")
    op.drop_column("presences", "ownership")
    op.drop_column("presences", "path_description")
    op.drop_column("presences", "police_no")
    op.drop_column("organisations", "verified")
    op.drop_column("organisations", "area")
    op.drop_column("organisations", "kind")
    op.drop_index("ix_permits_subject_id", table_name="permits")
    op.drop_index("ix_permits_presence_id", table_name="permits")
    op.drop_table("permits")
    op.drop_index("ix_inspections_region_id", table_name="inspections")
    op.drop_index("ix_inspections_presence_id_at", table_name="inspections")
    op.drop_table("inspections")
    op.drop_table("region_aliases")
    op.drop_index("uq_tags_org_name", table_name="tags", postgresql_where=sa.text("retired_at IS NULL"))
    op.drop_table("tags")
    op.drop_index(
        "ix_identifiers_kind_key_presence_no",
        table_name="identifiers",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_table("identifiers")
    op.drop_table("data_keys")
    op.drop_index("ix_changes_object", table_name="changes")
    op.drop_index(
        "ix_changes_import_id", table_name="changes", postgresql_where=sa.text("import_id IS NOT NULL")
    )
    op.drop_table("changes")
