"""Following changes one by one gives what a rebuild gives, row for row."""

import json
import random
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import text

from services.common.database import Database
from services.registry.linking import rules, service
from tests import linking_world as world


@pytest.fixture(scope="module")
async def database(make_database: Callable[[str], str]) -> AsyncIterator[Database]:
    found = Database(make_database("registry"), "registry")
    yield found
    await found.close()


class Town:
    """A small world whose values lie around every limit of the rule, changed at random."""

    def __init__(self, seed: int, shops: int) -> None:
        self.random = random.Random(seed)
        self.shops = shops
        self.shown: set[world.Fact] = set()
        self.order: list[world.Fact] = []

    def fact(self) -> world.Fact:
        """A fact: shops lean to the values of their operator, some values are everybody's."""
        shop = self.random.randint(1, self.shops)
        kind = self.random.choice([1, 2, 3, 4, 6, 8])
        if self.random.random() < 0.2:
            return self.random.choice([1, 4]), 900 + shop % 3, shop
        operator = shop // 7 if self.random.random() < 0.93 else self.random.randint(0, self.shops // 7)
        return kind, 10 * operator + self.random.choice([0, 0, 0, 1, 2]), shop

    async def settle(self, database: Database, facts: int) -> None:
        """So many facts at once, followed at once."""
        self.shown |= {self.fact() for _ in range(facts)}
        async with database.transaction() as session:
            await world.show(session, self.shown)
            await service.changed(session, [no for _, _, no in self.shown])

    async def step(self, database: Database) -> None:
        """One transaction: something is shown, hidden, forgotten, judged or ruled."""
        async with database.transaction() as session:
            what = self.random.random()
            if what < 0.55 or not self.shown:
                facts = {self.fact() for _ in range(self.random.choice([1, 1, 2, 5]))}
                await world.show(session, facts)
                self.shown |= facts
                await service.changed(session, [no for _, _, no in facts])
            elif what < 0.9:
                fact = self.random.choice(sorted(self.shown))
                await world.hide(session, fact, forget=self.random.random() < 0.5)
                self.shown.discard(fact)
                await service.changed(session, [fact[2]])
            elif what < 0.96:
                a, b = self.random.sample(range(1, self.shops + 1), 2)
                await world.judge(session, a, b, self.random.choice(["same", "different", "unsure"]))
                await service.changed(session, [a, b])
            else:
                kind, key, _ = self.fact()
                await world.rule(session, kind, key, self.random.choice(["hub", "not_hub", "withdrawn"]))
                await service.values_changed(session, [(kind, key)])

    async def many(self, database: Database, operations: int) -> None:
        """One transaction in which that many facts are shown, hidden or forgotten."""
        async with database.transaction() as session:
            moved = set()
            for _ in range(operations):
                fact = self.fact()
                if self.random.random() < 0.4 and self.shown:
                    fact = self.random.choice(self.order)
                if fact in self.shown:
                    await world.hide(session, fact, forget=self.random.random() < 0.5)
                    self.shown.discard(fact)
                else:
                    await world.show(session, [fact])
                    self.shown.add(fact)
                    self.order.append(fact)
                moved.add(fact[2])
            await service.changed(session, sorted(moved))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so low that a small world crosses them all the time."""
    monkeypatch.setattr(rules, "LIMIT", 14)
    monkeypatch.setattr(rules, "CONNECTOR", 6)
    monkeypatch.setattr(rules, "SIDE", 3)
    monkeypatch.setattr(rules, "AGENT", 6)
    monkeypatch.setattr(rules, "LARGE", 20)


async def _same_as_rebuilt(database: Database) -> None:
    followed = await world.result(database)
    await service.rebuild(database)
    assert followed == await world.result(database)


@pytest.mark.parametrize("seed", range(3))
async def test_following_equals_rebuilding(database: Database, narrow: None, seed: int) -> None:
    await world.clear(database)
    town = Town(seed, shops=60)
    await town.settle(database, 170)
    for _ in range(2):
        for _ in range(20):
            await town.step(database)
        await _same_as_rebuilt(database)


@pytest.mark.parametrize("seed", range(2))
async def test_changes_left_for_later_make_no_difference(
    database: Database, narrow: None, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Some transactions follow what they changed, others leave it; what was left lies beside the rest."""

    async def left(*given: object) -> None:
        """Not followed now."""

    await world.clear(database)
    town, chance = Town(seed + 40, shops=60), random.Random(seed)
    await town.settle(database, 180)
    for _ in range(2):
        for _ in range(20):
            with monkeypatch.context() as patch:
                if chance.random() < 0.4:
                    patch.setattr(service, "changed", left)
                await town.step(database)
        await service.catch_up(database)
        await _same_as_rebuilt(database)


async def test_a_shop_ties_others_by_two_values_it_shows(database: Database) -> None:
    """Shop 9 shows nothing of value (1, 1), but ties its holders: 1 by one value, 2 and 3 by the other."""
    await world.clear(database)
    facts = [(1, 1, shop) for shop in (1, 2, 3, 4)] + [(2, 20, 1), (2, 20, 9), (3, 30, 2), (3, 30, 3)]
    async with database.transaction() as session:
        await world.show(session, facts)
        await service.changed(session, range(1, 10))
    assert await _largest(database, 1, 1) == 2
    async with database.transaction() as session:
        await world.show(session, [(3, 30, 9)])
        await service.changed(session, [9])
    assert await _largest(database, 1, 1) == 3
    await _same_as_rebuilt(database)


async def _largest(database: Database, kind: int, key: int) -> int:
    values, _ = await world.result(database)
    (reason,) = [json.loads(str(row[5])) for row in values if row[:2] == (kind, key)]
    return int(reason["all"]["largest"])


async def test_counting_gives_way_to_adding_up(database: Database) -> None:
    """A value on a thousand shops is no longer counted; what waits then is not counted twice."""
    await world.clear(database)
    async with database.transaction() as session:
        await world.show(session, [(1, 5, shop) for shop in range(1, 1_000)])
        await service.changed(session, range(1, 1_000))
    async with database.transaction() as session:
        await world.show(session, [(1, 5, shop) for shop in (1_001, 1_002, 1_003)])
    async with database.transaction() as session:
        await world.show(session, [(1, 5, 1_004), (1, 5, 1_005)])
        await service.changed(session, [1_004, 1_005])
    assert (await world.result(database))[0][0][2] == 1_001
    await service.catch_up(database)
    assert (await world.result(database))[0][0][2] == 1_004
    await _same_as_rebuilt(database)


async def test_a_judgement_nobody_followed_is_caught_up_with(database: Database) -> None:
    await world.clear(database)
    async with database.transaction() as session:
        await world.show(session, [(1, 5, 1), (1, 5, 2), (2, 6, 2), (2, 6, 3)])
        await service.changed(session, [1, 2, 3])
    async with database.transaction() as session:
        await world.judge(session, 1, 3, "different")
    await service.catch_up(database)
    assert len({row[1] for row in (await world.result(database))[1]}) == 2
    await _same_as_rebuilt(database)


async def test_order_does_not_matter(database: Database, narrow: None) -> None:
    town = Town(99, shops=60)
    facts = sorted({town.fact() for _ in range(260)})
    results = []
    for seed in (1, 2):
        await world.clear(database)
        random.Random(seed).shuffle(facts)
        for begin in range(0, len(facts), 13):
            async with database.transaction() as session:
                await world.show(session, facts[begin : begin + 13])
                await service.changed(session, [no for _, _, no in facts[begin : begin + 13]])
        results.append(await world.result(database))
    assert results[0] == results[1]


async def test_changes_nobody_followed_are_caught_up_with(database: Database) -> None:
    await world.clear(database)
    async with database.transaction() as session:
        await world.show(session, [(1, 5, 1), (1, 5, 2)])
    assert await service.catch_up(database) == 2
    assert (await world.result(database))[1] == [(1, 1, 1), (2, 1, 1)]
    async with database.transaction() as session:
        assert (await session.execute(text("SELECT count(*) FROM identifier_changes"))).scalar_one() == 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_a_hundred_thousand_operations(database: Database) -> None:
    await world.clear(database)
    town = Town(7, shops=6_000)
    for _ in range(5):
        for _ in range(1_000):
            await town.many(database, 20)
        await _same_as_rebuilt(database)
