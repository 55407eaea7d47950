"""Connections: one the server closed meanwhile is replaced before it is used."""

from collections.abc import Callable

from sqlalchemy import text

from services.common.database import Database, run

_WHICH = text("SELECT pg_backend_pid()")
_END = "SELECT pg_terminate_backend(%(pid)s, 5000)"


async def test_a_connection_the_server_closed_is_replaced(make_database: Callable[[str], str]) -> None:
    database = Database(make_database("registry"), "registry")
    try:
        async with database.transaction() as session:
            pid = (await session.execute(_WHICH)).scalar_one()
        async with database.transaction() as session:
            assert (await session.execute(_WHICH)).scalar_one() == pid
        async with database.direct() as other:
            assert await run(other, _END, {"pid": pid}) == [(True,)]
        async with database.transaction() as session:
            assert (await session.execute(_WHICH)).scalar_one() != pid
    finally:
        await database.close()
