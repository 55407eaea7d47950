"""Hubs over HTTP: facts that form no link, officers' rulings and their undoing, who may rule."""

from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import true

from services.common.identity import Claims
from services.common.settings import Settings
from tests.records_world import sql
from tests.registry_links_world import CITY, HERE, PROVINCE, READER, THERE, Links, running_links

AGENT = "15070790000"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[Links]:
    async with running_links(make_settings, token_for) as running:
        yield running


@pytest.fixture(scope="module")
async def shops(world: Links) -> list[str]:
    """Five unrelated shops, four here and one in another city, with one agent's phone."""
    made = [await world.shop(HERE, f"代办客户{n}", phone=AGENT) for n in range(3)]
    made.append(await world.shop(HERE, "代办客户3", phone=AGENT, qq="48001377"))
    made.append(await world.shop(THERE, "赣州代办客户", phone=f"+86{AGENT}"))
    await world.link()
    return made


async def value_of(world: Links, shop: str) -> str:
    page = await world.at(HERE).get(f"/links/{shop}")
    return str(next(value["value_id"] for value in page["values"] if value["kind"] == 1))


async def test_a_ruling_makes_a_hub_withdraws_links_and_is_undone_by_a_later_one(
    world: Links, shops: list[str]
) -> None:
    value = await value_of(world, shops[0])
    before = await world.at(HERE).get(f"/links/{shops[0]}")
    assert len(before["linked"]) == 3
    refused = await world.at(HERE).call(
        "POST", f"/hubs/{value}/rulings", json={"ruling": "hub", "reason": "代办公司电话"}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "hub.wider")
    assert refused.json()["region_code"] == "360000"
    ruled = await world.at(PROVINCE).post(f"/hubs/{value}/rulings", ruling="hub", reason="代办公司电话")
    assert (ruled["hub"], ruled["ruled"], ruled["holders"]) == (True, "hub", 5)
    page = await world.at(HERE).get(f"/links/{shops[0]}")
    assert page["linked"] == [] and page["elsewhere"] == []
    fact = next(one for one in page["values"] if one["kind"] == 1)
    assert fact["hub"] and fact["holders"] == 5 and fact["why_zh"]
    told = await world.at(HERE).get(f"/links/{shops[0]}/to/{shops[1]}")
    assert (told["status"], told["gone"], told["values"][0]["standing"]) == ("not_linked", ["hub"], "hub")
    listed = (await world.at(HERE).get("/hubs"))["items"]
    assert [(row["id"], row["here"], row["masked"]) for row in listed] == [(value, 4, "150****0000")]
    assert (await world.at(HERE).get("/hubs", kind=2))["items"] == []
    await world.link()  # from scratch: the ruling holds
    assert (await world.at(HERE).get(f"/links/{shops[0]}"))["linked"] == []
    undone = await world.at(PROVINCE).post(f"/hubs/{value}/rulings", ruling="withdrawn", reason="认定有误")
    assert undone["ruled"] is None and [one["live"] for one in undone["rulings"]] == [True, False]
    assert len((await world.at(HERE).get(f"/links/{shops[0]}"))["linked"]) == 3
    twice = await world.at(PROVINCE).call(
        "POST", f"/hubs/{value}/rulings", json={"ruling": "withdrawn", "reason": "再撤"}
    )
    assert (twice.status_code, twice.json()["code"]) == (409, "hub.no_ruling")
    seen = await sql(world.db, "SELECT object_id, after FROM audit WHERE event = 'hub.ruled' ORDER BY at")
    assert [row.after["ruling"] for row in seen] == ["hub", "withdrawn"] and AGENT not in str(seen)


async def test_a_value_shows_the_own_regions_shops_only(world: Links, shops: list[str]) -> None:
    value = await value_of(world, shops[0])
    mine = await world.at(HERE).get(f"/hubs/{value}")
    assert {shop["id"] for shop in mine["shops"]} == set(shops[:4]) and mine["forms"] == ["150****0000"]
    assert not mine["may_rule"] and mine["ruling_region"] == "360000"
    assert len((await world.at(PROVINCE).get(f"/hubs/{value}"))["shops"]) == 5
    theirs = await world.at(THERE).get(f"/hubs/{value}")
    assert [shop["id"] for shop in theirs["shops"]] == [shops[4]] and theirs["holders"] == 5
    own = (await world.at(HERE).get(f"/links/{shops[3]}"))["values"]
    qq = next(one["value_id"] for one in own if one["kind"] == 2)
    for name in (qq, "1-0000000000000000", "99-0000000000000000"):
        assert (await world.at(THERE).call("GET", f"/hubs/{name}")).status_code == 404
    assert (await world.at(HERE).call("GET", "/hubs/1-xyz")).status_code == 422


async def test_negative_control_without_the_scope_a_stranger_would_see_the_shops(
    world: Links, shops: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    value = await value_of(world, shops[0])
    monkeypatch.setattr("services.registry.hubs.repository.region_filter", lambda column, claims: true())
    assert len((await world.at(THERE).get(f"/hubs/{value}"))["shops"]) == 5


async def test_within_its_own_region_an_authority_rules_for_itself(world: Links) -> None:
    made = [await world.shop(HERE, f"同县代办{n}", phone="15070791111") for n in range(3)]
    await world.link()
    value = await value_of(world, made[0])
    body = {"ruling": "hub", "reason": "镇上的打印店"}
    reading = await world.at(READER).call("POST", f"/hubs/{value}/rulings", json=body)
    assert reading.status_code == 403
    assert (await world.at(HERE).call("POST", f"/hubs/{value}/rulings", json=body)).status_code == 201
    kept = await world.at(CITY).post(f"/hubs/{value}/rulings", ruling="not_hub", reason="实为同一经营者")
    assert (kept["hub"], kept["ruled"]) == (False, "not_hub")
    assert len((await world.at(HERE).get(f"/links/{made[0]}"))["linked"]) == 2
