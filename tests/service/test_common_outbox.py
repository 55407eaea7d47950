"""Outbox and inbox: a fact is sent at least once and has its effect exactly once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncSession

from infra.embedded.postgres import EmbeddedPostgres
from services.common.app import create_service
from services.common.database import Database, make_base
from services.common.ids import new_id
from services.common.outbox import Event, publish, relay, subscribe
from services.common.settings import Settings
from services.common.tables import attach_common_tables
from tests.serving import serving


@subscribe("test.counted")
async def count(session: AsyncSession, event: Event) -> None:
    """The effect that must happen once."""
    if event.payload.get("crash"):
        raise RuntimeError("the handler fails")
    await session.execute(text("INSERT INTO effects (note) VALUES (:note)"), {"note": event.payload["note"]})


def tables() -> MetaData:
    base = make_base()
    attach_common_tables(base)
    Table("effects", base.metadata, Column("id", Integer, primary_key=True), Column("note", Text))
    return base.metadata


class Pair:
    """A publishing service and a receiving one, each with its own database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.source = Database(settings.database_url("casework"), "casework")
        self.target = Database(settings.database_url("registry"), "registry")

    async def publish(self, **payload: object) -> None:
        async with self.source.transaction() as session:
            await publish(session, "test.counted", to=["registry"], payload=payload)
            session.info.pop("after_commit")  # the wake-up is a hint; these tests call the relay themselves

    async def relay(self) -> int:
        return await relay(self.source, self.settings, "casework")

    async def forget_sent(self) -> None:
        """What a crash between delivery and its mark leaves behind."""
        async with self.source.transaction() as session:
            await session.execute(text("UPDATE outbox SET sent_at = NULL"))

    async def notes(self) -> list[str]:
        async with self.target.transaction() as session:
            return list((await session.execute(text("SELECT note FROM effects ORDER BY id"))).scalars())

    @contextmanager
    def up(self) -> Iterator[None]:
        app = create_service("registry", routers=[], settings=self.settings)
        with serving(app, self.settings.run_dir / "registry.sock"):
            yield


@pytest.fixture
async def pair(postgres: EmbeddedPostgres, make_settings: Callable[..., Settings]) -> AsyncIterator[Pair]:
    urls = {}
    for service in ("casework", "registry"):
        name = f"outbox_{new_id().lower()}"
        postgres.ensure_database(name)
        urls[f"database_url_{service}"] = postgres.url(name)
    pair = Pair(make_settings(**urls))
    for database in (pair.source, pair.target):
        async with database.engine.begin() as connection:
            await connection.run_sync(tables().create_all)
    yield pair
    await pair.source.close()
    await pair.target.close()


async def test_a_fact_arrives_once_even_when_sent_again(pair: Pair) -> None:
    await pair.publish(note="a")
    with pair.up():
        assert await pair.relay() == 1
        assert await pair.relay() == 0
        await pair.forget_sent()
        assert await pair.relay() == 1
        assert await pair.notes() == ["a"]
        # Negative control: without the inbox's memory the same message does have its effect twice.
        async with pair.target.transaction() as session:
            await session.execute(text("DELETE FROM inbox"))
        await pair.forget_sent()
        await pair.relay()
        assert await pair.notes() == ["a", "a"]


async def test_a_target_that_is_down_gets_it_later(pair: Pair) -> None:
    await pair.publish(note="a")
    assert await pair.relay() == 0
    async with pair.source.transaction() as session:
        row = (await session.execute(text("SELECT attempts, last_error FROM outbox"))).one()
    assert row.attempts == 1
    assert "upstream.unavailable" in row.last_error
    with pair.up():
        assert await pair.relay() == 1
    assert await pair.notes() == ["a"]


async def test_a_rolled_back_change_publishes_nothing(pair: Pair) -> None:
    with pytest.raises(ZeroDivisionError):
        async with pair.source.transaction() as session:
            await publish(session, "test.counted", to=["registry"], payload={"note": "never"})
            raise ZeroDivisionError
    with pair.up():
        assert await pair.relay() == 0
    assert await pair.notes() == []


async def test_a_failing_handler_leaves_no_mark(pair: Pair) -> None:
    await pair.publish(note="a", crash=True)
    with pair.up():
        assert await pair.relay() == 0
        async with pair.target.transaction() as session:
            assert (await session.execute(text("SELECT count(*) FROM inbox"))).scalar_one() == 0


async def test_two_relays_at_once_deliver_once(pair: Pair) -> None:
    for number in range(40):
        await pair.publish(note=str(number))
    with pair.up():
        delivered = await asyncio.gather(*(pair.relay() for _ in range(4)))
    assert sum(delivered) == 40
    assert sorted(map(int, await pair.notes())) == list(range(40))
