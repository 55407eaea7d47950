"""Grams of single characters and short runs in place of Chinese threes: all rows are cut anew.

Each table is written anew once, with its indexes, while nothing else runs: no search meets a row that is not
cut yet. Stopped in the middle, nothing has changed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
import structlog
from alembic import op

from services.registry.search.grams import SEPARATOR, plain_grams

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

log = structlog.get_logger()

_BATCH = 20_000
_TWO, _THREE, _WORD = 0x9E3779B1, 0x85EBCA6B, 1 << 32
_Cut = Callable[[Sequence[str]], list[list[int]]]


def _now(texts: Sequence[str]) -> list[list[int]]:
    return plain_grams(texts).lists()


def _before(texts: Sequence[str]) -> list[list[int]]:
    """Grams of now, which do no harm, and the threes that were asked before."""
    return [sorted({*own, *_threes(text)}) for text, own in zip(texts, _now(texts), strict=True)]


def _threes(text: str) -> set[int]:
    windows = {text[at : at + 3] for at in range(len(text) - 2)}
    return {_number(*map(ord, one)) for one in windows if not one.isascii() and SEPARATOR not in one}


def _number(first: int, second: int, third: int) -> int:
    number = ((first * _TWO + second) * _THREE + third) * _THREE % _WORD
    return number - _WORD if number >> 31 else number


def _cut(table: str, cut: _Cut) -> None:
    """Grams of all rows into a table of their own, from which the searchable table is written anew."""
    connection = op.get_bind()
    driver: Any = connection.connection.driver_connection
    connection.execute(sa.text("CREATE TEMP TABLE cut (no bigint PRIMARY KEY, grams integer[])"))
    rows = sa.text(f"SELECT no, search_text FROM {table} WHERE no > :last ORDER BY no LIMIT {_BATCH}")  # noqa: S608
    last = -1
    while batch := connection.execute(rows, {"last": last}).all():
        grams = cut([text for _, text in batch])
        with driver.cursor() as cursor, cursor.copy("COPY cut FROM STDIN") as copy:
            for (no, _), numbers in zip(batch, grams, strict=True):
                copy.write_row((no, numbers))
        last = batch[-1][0]
        log.info("migration.grams_cut", table=table, up_to=last)
    connection.execute(
        sa.text(
            "CREATE FUNCTION pg_temp.cut_grams(bigint) RETURNS integer[] STABLE LANGUAGE sql"
            " AS 'SELECT grams FROM cut WHERE no = $1'"
        )
    )
    connection.execute(sa.text("SET LOCAL maintenance_work_mem = '256MB'"))
    connection.execute(
        sa.text(f"ALTER TABLE {table} ALTER COLUMN grams TYPE integer[] USING pg_temp.cut_grams(no)")
    )
    connection.execute(sa.text("DROP FUNCTION pg_temp.cut_grams(bigint)"))
    connection.execute(sa.text("DROP TABLE cut"))
    connection.execute(sa.text(f"ANALYZE {table}"))


def _all(cut: _Cut) -> None:
    for table in ("subjects", "presences"):
        _cut(table, cut)


def upgrade() -> None:
    _all(_now)


def downgrade() -> None:
    _all(_before)
