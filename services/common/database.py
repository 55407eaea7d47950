"""Database access: one engine a process and service, one transaction a use case."""

import asyncio
import select
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast

import structlog
from fastapi import Depends, Request
from psycopg import AsyncConnection, OperationalError
from psycopg.abc import QueryNoTemplate
from sqlalchemy import MetaData, event, text
from sqlalchemy.exc import InvalidatePoolError
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


_Driver = AsyncConnection[tuple[Any, ...]]
_RECYCLE_SECONDS = 1800
_READING = "BEGIN READ ONLY; SET LOCAL plan_cache_mode = auto"


class Direct:
    """A transaction without SQLAlchemy: only for statements given to `run`."""

    def __init__(self, database: "Database", driver: _Driver) -> None:
        self.info: dict[str, Any] = {"database": database, "driver": driver}


Transaction = AsyncSession | Direct
"""What `run` takes."""


class _DriverPool:
    """Connections of the driver's own, at most `size` at once; a broken one is replaced when it is needed."""

    def __init__(self, conninfo: str, size: int) -> None:
        self._conninfo, self._room = conninfo, asyncio.Semaphore(size)
        self._idle: list[tuple[float, _Driver]] = []

    @asynccontextmanager
    async def lend(self, begin: str = "") -> AsyncIterator[_Driver]:
        """A connection for this block alone. begin: what begins a transaction, which the block's end commits
        and any error rolls back; without it each statement is a transaction of its own."""
        async with self._room:
            opened, driver = await self._ready(begin)
            try:
                yield driver
                if begin:
                    await driver.execute("COMMIT", prepare=False)
            except BaseException:
                # Closing rolls back, also when the connection is in the middle of a statement.
                await driver.close()
                raise
            self._idle.append((opened, driver))

    async def _ready(self, begin: str) -> tuple[float, _Driver]:
        """The newest idle connection that still lives, or a new one; `begin` was answered on it."""
        while self._idle:
            opened, driver = self._idle.pop()
            try:
                if time.monotonic() - opened < _RECYCLE_SECONDS and not _hung_up(driver):
                    await self._begin(driver, begin)
                    return opened, driver
            except OperationalError:
                log.info("database.connection_replaced")
            except BaseException:
                await driver.close()
                raise
            await driver.close()
        driver = await AsyncConnection.connect(self._conninfo, autocommit=True, prepare_threshold=0)
        # The few statements that come this way find their rows by key: planning them anew costs more.
        await driver.execute("SET plan_cache_mode = force_generic_plan", prepare=False)
        await self._begin(driver, begin)
        return time.monotonic(), driver

    async def _begin(self, driver: _Driver, begin: str) -> None:
        if begin:
            await driver.execute(cast(QueryNoTemplate, begin), prepare=False)

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop()[1].close()


def _hung_up(driver: _Driver) -> bool:
    """Whether the server has something to say on an idle connection: that it closed it, as a rule."""
    waiting = select.poll()
    waiting.register(driver.pgconn.socket, select.POLLIN)
    return bool(waiting.poll(0))


def _still_there(connection: Any, record: object, proxy: object) -> None:
    """Has the engine replace a connection the server closed, without the round trip of asking it."""
    if _hung_up(connection.driver_connection):
        raise InvalidatePoolError


class Database:
    """One service's database: an engine and transactions.

    service: whose it is (the source of the facts it publishes); pool_size: connections kept.
    """

    def __init__(self, url: str, service: str, pool_size: int = 10) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=10,
            pool_recycle=1800,
            hide_parameters=True,
        )
        event.listen(self.engine.sync_engine, "checkout", _still_there)
        self._sessions = async_sessionmaker(
            self.engine, expire_on_commit=False, info={"service": service, "database": self}
        )
        plain = self.engine.url.set(drivername="postgresql")
        self._drivers = _DriverPool(plain.render_as_string(hide_password=False), pool_size)

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

    @asynccontextmanager
    async def direct(self, lock: int | None = None) -> AsyncIterator[Direct]:
        """The same for statements given to `run` alone, which costs a third of the processor time.

        lock: an advisory lock held from the beginning to the end. Raises psycopg's errors; knows no
        `after_commit`.
        """
        begin = "BEGIN" if lock is None else f"BEGIN; SELECT pg_advisory_xact_lock({lock:d})"
        async with self._drivers.lend(begin) as driver:
            yield Direct(self, driver)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Direct]:
        """The same for questions: nothing can be changed, and plans suit the values asked for."""
        async with self._drivers.lend(_READING) as driver:
            yield Direct(self, driver)

    @asynccontextmanager
    async def at_once(self) -> AsyncIterator[Direct]:
        """For a single statement given to `run`: it is a transaction of its own, in one round trip."""
        async with self._drivers.lend() as driver:
            yield Direct(self, driver)

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close all connections."""
        await self._drivers.close()
        await self.engine.dispose()


async def run(session: Transaction, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run a statement on the driver's own connection, inside the session's transaction; gives its rows.

    query: fixed SQL with `%(name)s` parameters. For statements that run for every item: SQLAlchemy's own way
    costs five times as much processor time. Raises psycopg's errors, not SQLAlchemy's.
    """
    driver: _Driver | None = session.info.get("driver")
    if driver is None:
        raw = await (await cast(AsyncSession, session).connection()).get_raw_connection()
        driver = session.info["driver"] = cast(_Driver, raw.driver_connection)
    cursor = await driver.execute(cast(QueryNoTemplate, query), values)
    return await cursor.fetchall() if cursor.description else []


def after_commit(session: AsyncSession, callback: AfterCommit) -> None:
    """Run `callback` once the session's transaction is durable (wake-ups only: it may be lost in a crash)."""
    session.info.setdefault("after_commit", []).append(callback)


async def _request_session(request: Request) -> AsyncIterator[AsyncSession]:
    database: Database = request.app.state.db
    async with database.transaction() as session:
        yield session


async def _request_reading(request: Request) -> AsyncIterator[Transaction]:
    database: Database = request.app.state.db
    async with database.reading() as session:
        yield session


# scope="function": the commit happens before the answer is sent, so an answer is never ahead of the data.
Session = Annotated[AsyncSession, Depends(_request_session, scope="function")]
Reading = Annotated[Transaction, Depends(_request_reading, scope="function")]
"""For routes that only ask, with statements given to `run`: a page of a list."""
