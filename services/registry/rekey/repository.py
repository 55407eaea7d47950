"""SQL of changing keys: wrapped keys, and sealed columns read and written block by block."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from services.registry.rekey.rules import GRACE_HOURS, SealedColumn

# Blocks of 8 KiB a batch: a few thousand rows, a fraction of a second, one transaction.
BLOCKS = 128


async def wrapped(session: AsyncSession) -> Sequence[Any]:
    """All data keys, locked: id, purpose, wrapped, retired_at."""
    statement = "SELECT id, purpose, wrapped, retired_at FROM data_keys ORDER BY id FOR UPDATE"
    return (await session.execute(text(statement))).all()


async def rewrap(session: AsyncSession, number: int, blob: bytes) -> None:
    """Put a data key's new wrapping in the place of the old one."""
    await session.execute(
        text("UPDATE data_keys SET wrapped = :blob WHERE id = :id"), {"blob": blob, "id": number}
    )


async def waiting(session: AsyncSession) -> float:
    """Seconds until the newest data key is used by every process; 0 when it is."""
    statement = (
        "SELECT coalesce(greatest(extract(epoch FROM max(active_at) - clock_timestamp()), 0), 0)"
        " FROM data_keys"
    )
    return float((await session.execute(text(statement))).scalar_one())


async def retire(session: AsyncSession, current: int) -> None:
    """Nothing is sealed any more with the data keys before this one."""
    await session.execute(
        text(
            "UPDATE data_keys SET retired_at = now()"
            " WHERE purpose = 'seal' AND id < :current AND retired_at IS NULL"
        ),
        {"current": current},
    )


async def destroy_retired(session: AsyncSession, numbers: Sequence[int]) -> list[int]:
    """Delete those of the data keys that were retired long enough ago; gives their numbers."""
    statement = text(
        "DELETE FROM data_keys WHERE id = ANY(:numbers)"
        " AND retired_at < now() - make_interval(hours => :hours) RETURNING id"
    )
    found = await session.scalars(statement, {"numbers": list(numbers), "hours": GRACE_HOURS})
    return list(found.all())


async def blocks(session: AsyncSession, column: SealedColumn) -> int:
    """Length of a table in blocks, as it is on disk now."""
    statement = "SELECT pg_relation_size(CAST(:name AS regclass)) / current_setting('block_size')::int"
    return int((await session.execute(text(statement), {"name": column.table})).scalar_one())


async def reseal_rows(
    session: AsyncSession, column: SealedColumn, first: int, head: bytes
) -> Sequence[tuple[str, str, bytes]]:
    """`(ctid, about, sealed)` of the rows in a batch of blocks that are not sealed under `head`, locked."""
    statement = text(
        f"SELECT ctid::text, {column.about}::text, {column.column} FROM {column.table}"  # noqa: S608
        " WHERE ctid >= CAST(:low AS tid) AND ctid < CAST(:high AS tid)"
        f" AND substring({column.column} FROM 1 FOR 3) <> :head FOR UPDATE"
    )
    rows = await session.execute(
        statement, {"low": f"({first},0)", "high": f"({first + BLOCKS},0)", "head": head}
    )
    return [(row[0], row[1], bytes(row[2])) for row in rows]


async def write_back(session: AsyncSession, column: SealedColumn, rows: Sequence[tuple[str, bytes]]) -> None:
    """Write sealed values to rows locked in this transaction, by their ctid."""
    statement = text(
        f"UPDATE {column.table} AS t SET {column.column} = r.sealed"  # noqa: S608
        " FROM unnest(CAST(:ctids AS tid[]), CAST(:values AS bytea[])) AS r(at, sealed) WHERE t.ctid = r.at"
    )
    ctids, values = (list(part) for part in zip(*rows, strict=True))
    await session.execute(statement, {"ctids": ctids, "values": values})


async def keys_in_use(session: AsyncSession, column: SealedColumn) -> set[int]:
    """Numbers of the data keys under which the values of a column are sealed."""
    statement = text(
        f"SELECT DISTINCT substring({column.column} FROM 1 FOR 3) FROM {column.table}"  # noqa: S608
        f" WHERE {column.column} IS NOT NULL"
    )
    return {int.from_bytes(bytes(head)[1:3], "big") for head in await session.scalars(statement)}


async def add_key(connection: AsyncConnection, under: Any, number: int, delay: float) -> None:
    """Add a new data key for sealing, used `delay` seconds from now."""
    from services.common.personal_keys import SEAL, add

    await connection.run_sync(lambda sync: add(sync, under, number, SEAL, delay))
