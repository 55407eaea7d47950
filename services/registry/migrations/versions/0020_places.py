"""A gram for rows that name a place from elsewhere; the database notes in the grams when a row has moved.

Only rows that name a place they do not lie in change: few.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from services.common.personal import PersonalData
from services.common.personal_keys import load
from services.common.scope import region_prefix
from services.registry.search.places import Gram, elsewhere, foreign, homes, plain

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_TABLES = ("subjects", "presences")
_MOVED = 0x4D4F5645  # `search.places.MOVED`


def _columns() -> Iterator[tuple[str, str, Gram]]:
    """Table, array and the number of its grams; of tables that have rows."""
    connection, personal = op.get_bind(), None
    for table in _TABLES:
        if connection.execute(sa.text(f"SELECT EXISTS (SELECT FROM {table})")).scalar_one():  # noqa: S608
            personal = personal or PersonalData(load(connection))
            yield table, "grams", plain
            yield table, "contact_grams", personal.gram


def _regions(table: str) -> Sequence[str]:
    return op.get_bind().execute(sa.text(f"SELECT DISTINCT region_code FROM {table}")).scalars().all()  # noqa: S608


def _mark(table: str, column: str, gram: Gram) -> None:
    regions = _regions(table)
    add = sa.text(
        f"UPDATE {table} SET {column} = array_append({column}, :elsewhere)"  # noqa: S608
        f" WHERE {column} @> ARRAY[CAST(:number AS integer)] AND region_code = ANY(:regions)"
    )
    for name in homes():
        away = [region for region in regions if name in foreign(region_prefix(region))]
        given: dict[str, Any] = {"number": gram(name), "elsewhere": elsewhere(name, gram), "regions": away}
        op.get_bind().execute(add, given)


def upgrade() -> None:
    for table, column, gram in _columns():
        _mark(table, column, gram)
    op.execute(
        "CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" NEW.grams := array_append(array_remove(NEW.grams, {_MOVED}), {_MOVED});"
        f" NEW.contact_grams := array_append(array_remove(NEW.contact_grams, {_MOVED}), {_MOVED});"
        " RETURN NEW; END $$"
    )
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER moved BEFORE UPDATE OF region_code ON {table} FOR EACH ROW"
            " WHEN (NEW.region_code <> OLD.region_code) EXECUTE FUNCTION note_move()"
        )


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f"DROP TRIGGER moved ON {table}")
    op.execute("DROP FUNCTION note_move()")
    for table, column, gram in _columns():
        take = sa.text(
            f"UPDATE {table} SET {column} = array_remove({column}, :number)"  # noqa: S608
            f" WHERE {column} @> ARRAY[CAST(:number AS integer)]"
        )
        for number in (_MOVED, *(elsewhere(name, gram) for name in homes())):
            op.get_bind().execute(take, {"number": number})
