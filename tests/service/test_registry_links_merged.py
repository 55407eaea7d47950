"""Judgements of a shop that was merged bind the shop it was merged into, and come back with it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.linking.service import rebuild
from tests.records_world import OFFICER, World, officer, running_world, sql
from tests.service.test_registry_cleaning_duplicates import found, merged

JUDGE = officer("360121", "判", OFFICER | {"registry:import", "registry:judge"})


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def clusters(world: World) -> dict[str, int]:
    """Cluster of every shop in company, by its id."""
    rows = await sql(
        world.registry.state.db,
        "SELECT p.id, c.cluster FROM clusters c JOIN presences p ON p.no = c.presence_no",
    )
    return {row.id: row.cluster for row in rows}


async def shops(world: World, native_id: str, *phones: str) -> tuple[list[str], dict[str, Any]]:
    """Two shops the platform knows as one, a third beside them; and the pair the search proposes."""
    http = world.at_registry(JUDGE)
    made = [
        await http.post(
            "/presences", name=f"店{at}", channel="shop", platform="淘宝", native_id=native_id, phone=phone
        )
        for at, phone in enumerate(phones[:2])
    ]
    made.append(await http.post("/presences", name="第三家", channel="shop", phone=phones[2]))
    ids = [row["id"] for row in made]
    pairs = await found(http, object_type="presence", reason="native_id")
    (pair,) = [one for one in pairs if {one["first"]["id"], one["second"]["id"]} == set(ids[:2])]
    return ids, pair


async def verdict(world: World, one: str, other: str) -> str | None:
    told = await world.at_registry(JUDGE).get(f"/links/{one}/to/{other}")
    said: str | None = told["verdict"]
    return said


async def judge(world: World, one: str, other: str, said: str) -> None:
    body = {"shop_a": one, "shop_b": other, "verdict": said, "reason": "查看现场"}
    await world.at_registry(JUDGE).post("/judgements", **body)


async def test_same_of_a_merged_shop_binds_the_survivor_and_comes_back(world: World) -> None:
    (kept, other, third), pair = await shops(world, "m1", "13807910001", "13807910002", "13807910003")
    await judge(world, other, third, "same")
    before = await clusters(world)
    assert before[other] == before[third] and kept not in before
    http = world.at_registry(JUDGE)
    await merged(http, pair["id"], kept)
    now = await clusters(world)
    assert now[kept] == now[third] and other not in now
    assert await verdict(world, kept, third) == "same"
    linked = (await http.get(f"/links/{kept}"))["linked"]
    assert [(one["shop"]["id"], one["verdict"]) for one in linked] == [(third, "same")]
    await rebuild(world.registry.state.db)
    assert await clusters(world) == now
    await http.post(f"/duplicates/{pair['id']}/unmerge")
    assert await clusters(world) == before
    assert await verdict(world, kept, third) is None and await verdict(world, other, third) == "same"
    await rebuild(world.registry.state.db)
    assert await clusters(world) == before


async def test_different_of_a_merged_shop_holds_for_the_survivor(world: World) -> None:
    phone = "13807920001"
    (kept, other, third), pair = await shops(world, "m2", phone, "13807920002", phone)
    await judge(world, other, third, "different")
    before = await clusters(world)
    assert before[kept] == before[third]
    http = world.at_registry(JUDGE)
    await merged(http, pair["id"], kept)
    now = await clusters(world)
    assert now[kept] != now[third]
    await rebuild(world.registry.state.db)
    assert await clusters(world) == now
    await http.post(f"/duplicates/{pair['id']}/unmerge")
    assert await clusters(world) == before


async def test_of_two_judgements_that_meet_the_later_counts_and_can_be_withdrawn(world: World) -> None:
    (kept, other, third), pair = await shops(world, "m3", "13807930001", "13807930002", "13807930003")
    await judge(world, kept, third, "different")
    await judge(world, other, third, "same")
    http = world.at_registry(JUDGE)
    await merged(http, pair["id"], kept)
    assert await verdict(world, kept, third) == "same"
    await judge(world, kept, third, "withdrawn")
    assert await verdict(world, kept, third) is None
    await http.post(f"/duplicates/{pair['id']}/unmerge")
    assert await verdict(world, other, third) == "same"
