"""SQL of a rebuild, on a connection of its own, all of it in one snapshot and one transaction.

Facts come out packed: one row a stretch of the table instead of one a fact. What was found goes into new
tables by COPY; they take the old ones' place at the end, so that readers wait for a moment only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from services.registry.linking.incidence import Ints
from services.registry.linking.repository import REBUILDING

_PAGES: Final = 4_000
_BLOCK: Final = 8192
_LOCK = "SELECT pg_advisory_lock(%s)"
_UNLOCK = "SELECT pg_advisory_unlock(%s)"
_SIZE = "SELECT pg_relation_size('identifiers')"
_FACTS = (
    "SELECT string_agg(int2send(kind), ''::bytea), string_agg(int8send(key), ''::bytea),"
    " string_agg(int8send(presence_no), ''::bytea) FROM identifiers"
    " WHERE ctid >= %s::tid AND ctid < %s::tid AND ended_at IS NULL"
)
_LINKS = (
    "SELECT i.kind, i.key, i.presence_no FROM identifier_values v JOIN identifiers i"
    " ON i.kind = v.kind AND i.key = v.key AND i.ended_at IS NULL WHERE NOT v.hub AND v.state = 0"
    " ORDER BY i.key, i.kind, i.presence_no"
)
_SAME_RULES = (
    "INSERT INTO link_changes (at, kind, key, hub, holders, pairs, before, reason)"
    " SELECT now(), n.kind, n.key, n.hub, n.holders,"
    " CASE WHEN n.hub THEN o.holders::bigint * (o.holders - 1) / 2"
    " ELSE n.holders::bigint * (n.holders - 1) / 2 END, o.reason, n.reason"
    " FROM identifier_values_new n JOIN identifier_values o ON o.kind = n.kind AND o.key = n.key"
    " WHERE o.hub <> n.hub"
)
_TURNED = (
    "SELECT n.kind, n.key, n.holders, n.hub, n.reason, o.holders, o.hub, o.reason"
    " FROM identifier_values_new n LEFT JOIN identifier_values o ON o.kind = n.kind AND o.key = n.key"
    " WHERE (n.hub AND n.holders >= %s AND n.reason->>'code' <> 'bridge'"
    " AND (o.key IS NULL OR NOT o.hub OR o.holders < %s)) OR o.hub <> n.hub"
    " ORDER BY n.holders DESC LIMIT %s"
)
_TABLES: Final[Mapping[str, tuple[tuple[str, ...], tuple[tuple[str, str], ...]]]] = {
    "identifier_values": (
        ("kind", "key"),
        (("ix_identifier_values_hubs", "(holders, kind, key) WHERE hub"),),
    ),
    "clusters": (
        ("presence_no",),
        (("ix_clusters_block", "(block) INCLUDE (presence_no, cluster)"),),
    ),
}
_NAMES = (
    "SELECT p.no, p.source_id FROM presences p WHERE p.merged_into IS NULL"
    " AND (%(source)s::text IS NULL OR p.source = %(source)s)"
)
_CLUSTERS = (
    "SELECT p.source_id, coalesce(c.cluster, p.no) FROM presences p"
    " LEFT JOIN clusters c ON c.presence_no = p.no WHERE p.merged_into IS NULL"
    " AND (%(source)s::text IS NULL OR p.source = %(source)s) ORDER BY p.no"
)

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


async def connect(url: URL) -> Connection:
    """A connection of its own to the registry's database."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await psycopg.AsyncConnection.connect(address, autocommit=True)


async def lock(connection: Connection) -> None:
    """Wait until nobody follows a change; from now on changes are marked instead."""
    await connection.execute(_LOCK, (REBUILDING,))


async def unlock(connection: Connection) -> None:
    """Changes are followed again."""
    await connection.execute(_UNLOCK, (REBUILDING,))


async def begin(connection: Connection) -> None:
    """Take the snapshot everything is read from; changes logged until now are in it."""
    await connection.set_autocommit(False)
    await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
    for setting in ("maintenance_work_mem = '512MB'", "work_mem = '256MB'"):
        await connection.execute(sql.SQL("SET LOCAL " + setting))
    await connection.execute("DELETE FROM identifier_changes")


async def facts(connection: Connection) -> AsyncIterator[tuple[float, Ints, Ints, Ints]]:
    """(share read, kinds, keys, shops), stretch by stretch."""
    size = await (await connection.execute(_SIZE)).fetchone()
    pages = (size[0] if size else 0) // _BLOCK + 1
    cursor = connection.cursor(binary=True)
    for first in range(0, pages, _PAGES):
        last = first + _PAGES
        await cursor.execute(_FACTS, (f"({first},0)", f"({last},0)"))
        row = await cursor.fetchone()
        if row is not None and row[0] is not None:
            kinds, keys, nos = (
                np.frombuffer(part, form).astype(np.int64)
                for part, form in zip(row, (">i2", ">i8", ">i8"), strict=True)
            )
            yield min(last / pages, 1.0), kinds, keys, nos


async def prepare(connection: Connection, table: str) -> None:
    """Make the table that is to take the place of this one."""
    name = sql.Identifier(table)
    await connection.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS)").format(sql.Identifier(table + "_new"), name)
    )


async def fill(connection: Connection, table: str, parts: Iterator[npt.NDArray[Any]]) -> None:
    """COPY rows in PostgreSQL's binary form into the new table.

    Frozen: else the first to read a page afterwards marks its rows as committed, which is a write of the page
    into the log, and a change that reads fifty pages pays for it.
    """
    target = sql.SQL("COPY {} FROM STDIN (FORMAT binary, FREEZE)").format(sql.Identifier(table + "_new"))
    async with connection.cursor() as cursor, cursor.copy(target) as copy:
        await copy.write(b"PGCOPY\n\xff\r\n\x00" + bytes(8))
        for part in parts:
            await copy.write(part.tobytes())
        await copy.write(b"\xff\xff")


async def index(connection: Connection, table: str) -> None:
    """Keys and indexes of the new table, and fresh statistics."""
    new = sql.Identifier(table + "_new")
    keys, indexes = _TABLES[table]
    columns = sql.SQL(", ").join(sql.Identifier(key) for key in keys)
    await connection.execute(
        sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})").format(
            new, sql.Identifier(f"pk_{table}_new"), columns
        )
    )
    for name, on in indexes:
        await connection.execute(
            sql.SQL("CREATE INDEX {} ON {} {}").format(
                sql.Identifier(name + "_new"),
                new,
                sql.SQL(on),
            )
        )
    await connection.execute(sql.SQL("ANALYZE {}").format(new))


async def turned(connection: Connection, agent: int, most: int) -> list[tuple[Any, ...]]:
    """Record values that turned; gives (kind, key, holders, hub, reason, holders, hub, reason before)."""
    await connection.execute(_SAME_RULES)
    return await (await connection.execute(_TURNED, (agent, agent, most))).fetchall()


async def replace(connection: Connection, table: str) -> None:
    """The new table takes the old one's place, with its names."""
    name, new = sql.Identifier(table), sql.Identifier(table + "_new")
    await connection.execute(sql.SQL("DROP TABLE {}").format(name))
    await connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(new, name))
    for index_name in (f"pk_{table}", *(one for one, _ in _TABLES[table][1])):
        await connection.execute(
            sql.SQL("ALTER INDEX {} RENAME TO {}").format(
                sql.Identifier(index_name + "_new"), sql.Identifier(index_name)
            )
        )


async def linking_facts(connection: Connection) -> AsyncIterator[list[tuple[Any, ...]]]:
    """Rows (kind, key, shop) of every value that links, in the order of the values, many at a time."""
    async with connection.cursor(name="links") as cursor:
        await cursor.execute(_LINKS)
        while rows := await cursor.fetchmany(50_000):
            yield rows


async def names(connection: Connection, source: str | None) -> dict[int, str]:
    """The id in the imported file of every shop, by its number."""
    rows = await (await connection.execute(_NAMES, {"source": source})).fetchall()
    return dict(rows)


async def clusters(connection: Connection, source: str | None) -> AsyncIterator[list[tuple[Any, ...]]]:
    """(id in the imported file, cluster) of every shop, a shop alone being its own cluster."""
    async with connection.cursor(name="clusters") as cursor:
        await cursor.execute(_CLUSTERS, {"source": source})
        while rows := await cursor.fetchmany(50_000):
            yield rows
