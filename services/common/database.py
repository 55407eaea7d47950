"""Database access: one engine a process and service, one transaction a use case."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast

import structlog
from fastapi import Depends, Request
from psycopg import AsyncConnection
from psycopg.abc import QueryNoTemplate
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

log = structlog.get_logger()

AfterCommit = Callable[[], Awaitable[None]]

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def make_base() -> type[DeclarativeBase]:
    """A declarative base for one service, with stable constraint names."""

    class ServiceBase(DeclarativeBase):
        metadata = MetaData(naming_convention=_NAMING)

    return ServiceBase


class Database:
    """One service's database: an engine and transactions.

    service: whose it is (the source of the facts it publishes); pool_size: connections kept.
    """

    def __init__(self, url: str, service: str, pool_size: int = 10) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=10,
            pool_pre_ping=True,
            pool_recycle=1800,
            hide_parameters=True,
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, info={"service": service})

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back on any error.

        Callbacks added with `after_commit(session, f)` run after a successful commit; what they raise is
        logged and not passed on, because the change is already durable.
        """
        async with self._sessions() as session:
            async with session.begin():
                yield session
            callbacks: list[AfterCommit] = session.info.pop("after_commit", [])
        for callback in callbacks:
            try:
                await callback()
            except Exception:
                log.warning("database.after_commit_failed", exc_info=True)

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


async def run(session: AsyncSession, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run a statement on the driver's own connection, inside the session's transaction; gives its rows.

    query: fixed SQL with `%(name)s` parameters. For statements that run for every item: SQLAlchemy's own way
    costs five times as much processor time. Raises psycopg's errors, not SQLAlchemy's.
    """
    driver: AsyncConnection[tuple[Any, ...]] | None = session.info.get("driver")
    if driver is None:
        raw = await (await session.connection()).get_raw_connection()
        driver = session.info["driver"] = cast(AsyncConnection[tuple[Any, ...]], raw.driver_connection)
    cursor = await driver.execute(cast(QueryNoTemplate, query), values)
    return await cursor.fetchall() if cursor.description else []


def after_commit(session: AsyncSession, callback: AfterCommit) -> None:
    """Run `callback` once the session's transaction is durable (wake-ups only: it may be lost in a crash)."""
    session.info.setdefault("after_commit", []).append(callback)


async def _request_session(request: Request) -> AsyncIterator[AsyncSession]:
    database: Database = request.app.state.db
    async with database.transaction() as session:
        yield session


# scope="function": the commit happens before the answer is sent, so an answer is never ahead of the data.
Session = Annotated[AsyncSession, Depends(_request_session, scope="function")]
