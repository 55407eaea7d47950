"""Sealing statements on connections of their own: broken ones are replaced, nothing is half written."""

import asyncio

import pytest

from services.common.database import run
from services.evidence.custody import service as custody
from services.evidence.items.sealing import Sealer
from tests.evidence_stack import own_home, remove, running


@pytest.fixture(scope="module")
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


async def ask(stack, query: str, **values: object) -> list[tuple]:
    async with stack.runtime.database.direct() as session:
        return await run(session, query, values)


async def test_an_error_undoes_the_block_and_the_next_one_works(stack):
    database = stack.runtime.database
    with pytest.raises(KeyError):
        async with database.direct() as session:
            await run(session, "CREATE TABLE left_behind (n int)", {})
            raise KeyError
    assert await ask(stack, "SELECT to_regclass('left_behind')") == [(None,)]


async def test_connections_the_server_closed_are_replaced(stack):
    """Also before a statement that is a transaction by itself, which is never sent twice."""
    async with stack.runtime.database.direct() as one, stack.runtime.database.direct() as other:
        pids = [(await run(session, "SELECT pg_backend_pid()", {}))[0][0] for session in (one, other)]
    async with stack.runtime.database.transaction() as session:
        await run(session, "SELECT pg_terminate_backend(pid) FROM unnest(%(pids)s) AS pid", {"pids": pids})
    await asyncio.sleep(0.1)
    async with stack.runtime.database.at_once() as session:
        assert (await run(session, "SELECT pg_backend_pid()", {}))[0][0] not in pids
    assert (await ask(stack, "SELECT pg_backend_pid()"))[0][0] not in pids
    assert (await stack.submit())["op"] == "digested"


async def test_an_event_between_two_stages_keeps_the_chain(stack, monkeypatch):
    """The one statement finds the item further than it thought; the general way goes on from there."""
    real = Sealer.log

    async def seen_before(self, running):
        async with self.runtime.database.transaction() as session:
            await custody.record(session, running.item.id, custody.Happened("viewed"))
        await real(self, running)

    with monkeypatch.context() as patch:
        patch.setattr(Sealer, "log", seen_before)
        item = (await stack.submit())["id"]
    query = "SELECT seq, event FROM custody_events WHERE evidence_id = %(item)s ORDER BY seq"
    events = [event for _, event in await ask(stack, query, item=item)]
    assert events == ["captured", "hashed", "signed", "stamped", "viewed", "logged", "replicated", "sealed"]
    for _ in range(300):
        found = (await stack.get(f"/evidence/{item}/custody")).json()["chain"]
        if found["verdict"] != "waiting":
            break
        await asyncio.sleep(0.1)
    assert found["verdict"] == "intact", found


async def test_two_runs_of_a_new_item_give_one(stack):
    intake = await stack.intake()
    first, second = Sealer(stack.runtime), Sealer(stack.runtime)

    async def lines(sealer: Sealer) -> list[str]:
        return [line["op"] async for line in sealer.seal(*intake)]

    ended = await asyncio.gather(lines(first), lines(second))
    assert [found[-1] for found in ended] == ["digested", "digested"]
    query = "SELECT count(*), count(DISTINCT seq) FROM custody_events WHERE evidence_id = %(item)s"
    assert await ask(stack, query, item=intake[0]) == [(7, 7)]
    query = "SELECT count(*) FROM stamps WHERE evidence_id = %(item)s"
    assert await ask(stack, query, item=intake[0]) == [(1,)]
