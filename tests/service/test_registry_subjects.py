"""Regions, organisations, subjects and presences over HTTP: entering, finding, warning, masking."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from services.common.identity import Claims
from services.common.problems import Problem
from services.common.settings import Settings
from services.registry.bootstrap import load_divisions
from services.registry.client import RegistryClient
from tests.records_world import OFFICER, World, counted, officer, running_world, sql

NANCHANG, CITY, PROVINCE = officer("360121"), officer("360100", "市"), officer("360000", "省")


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def test_divisions_and_authorities(world: World) -> None:
    http = world.at_registry(NANCHANG)
    regions = (await http.get("/regions"))["items"]
    assert len(regions) == 112 and regions[0]["name"] == "江西省"
    assert len((await http.get("/regions", under="360700"))["items"]) == 19
    found = (await http.get("/organisations", q="章贡"))["items"]
    assert [o["code"] for o in found] == ["360702-SJ"]
    assert len((await http.get("/organisations", under="360100"))["items"]) == 13  # 3 of them zones
    assert len((await http.get("/organisations", limit=500))["items"]) == 116


async def test_loading_again_changes_nothing_and_keeps_edits(world: World) -> None:
    database = world.registry.state.db
    await sql(database, "UPDATE organisations SET name = '湾里管理局市监局' WHERE code = '360112-SJ'")
    assert await load_divisions(database) == 112
    rows = await sql(
        database, "SELECT count(*), count(*) FILTER (WHERE name = '湾里管理局市监局') FROM organisations"
    )
    assert tuple(rows[0]) == (116, 1)


async def test_other_services_ask_for_an_authority(world: World) -> None:
    client = RegistryClient(world.settings, caller="casework")
    try:
        found = await client.organisation("360702-SJ")
        assert (found.name, found.region_code) == ("章贡区市场监督管理局", "360702")
        for unknown in ("369999-SJ", "../regions", "机构"):
            with pytest.raises(Problem) as caught:
                await client.organisation(unknown)
            assert caught.value.code == "organisation.unknown"
        with counted() as seen:
            assert await client.organisation("360702-SJ") is found
        assert seen == []
    finally:
        await client.close()
    person = await world.at_registry(NANCHANG).call("GET", "/internal/organisations/360702-SJ")
    assert person.status_code == 403


async def test_a_subject_is_kept_as_given_with_warnings(world: World) -> None:
    http = world.at_registry(NANCHANG)
    given = {
        "name": "南昌县莲塘茶行",
        "licence": "9133O106673959654P",
        "phone": "１３８０７９１１２３４",
        "qq": "012",
    }
    made = await http.post(
        "/subjects", **given, address="江西省南昌市南昌县莲塘镇澄湖路1号", wechat="chahang_888"
    )
    assert (made["licence"], made["phone"]) == (given["licence"], "１３８****１２３４")
    assert {w["code"] for w in made["warnings"]} == {"uscc.alphabet", "qq.format"}
    assert (made["kind"], made["org_code"], made["region_code"]) == ("enterprise", "360121-SJ", "360121")
    (row,) = (await http.get("/subjects", q="莲塘茶行"))["items"]
    assert row["phone"] == "１３８****１２３４"
    assert (row["wechat"], row["warning_count"]) == ("ch*******88", 2)
    whole = await http.get(f"/subjects/{made['id']}")
    assert whole["wechat"] == "ch*******88"
    seen = await sql(
        world.registry.state.db,
        "SELECT actor FROM audit WHERE event = 'subject.viewed' AND object_id = :id",
        id=made["id"],
    )
    assert [r.actor for r in seen] == [NANCHANG.sub]


async def test_addresses_are_masked_for_everybody(world: World) -> None:
    http = world.at_registry(officer("360123"))
    address = "江西省南昌市安义县龙津镇文峰路8号"
    await http.post("/subjects", name="安义实业", licence="91330100799655058B", address=address)
    await http.post("/subjects", name="张三（自然人）", kind="natural_person", address=address)
    shown = {row["name"]: row["address"] for row in (await http.get("/subjects"))["items"]}
    assert shown["安义实业"] == "江西省南昌市********"
    assert shown["张三（自然人）"] == "江西省南昌市********"


async def test_one_licence_once_per_authority(world: World) -> None:
    first = await world.at_registry(NANCHANG).post("/subjects", name="甲", licence="913200005668848108")
    again = await world.at_registry(NANCHANG).call(
        "POST", "/subjects", json={"name": "乙", "licence": " ９13200005668848108 "}
    )
    assert (again.status_code, again.json()["code"]) == (409, "subject.licence_known")
    assert again.json()["subject_id"] == first["id"]
    elsewhere = await world.at_registry(officer("360702")).post(
        "/subjects", name="丙", licence="913200005668848108"
    )
    assert elsewhere["id"] != first["id"]


@pytest.mark.parametrize(
    "query",
    [
        "德化",
        "陶瓷",
        "德化陶瓷坊",
        "瓷",
        "９１１１０１０８５５１３８５０８２q",
        "385082",
        "0798-8588123",
        "07988588123",
        "ct_2026",
        "景德镇市珠山",
    ],
)
async def test_any_part_finds_it(world: World, query: str) -> None:
    http = world.at_registry(officer("360203"))
    if not (await http.get("/subjects"))["items"]:
        await http.post(
            "/subjects",
            name="德化 陶瓷坊",
            licence="91110108551385082Q",
            phone="0798-8588123",
            wechat="ct_2026",
            address="江西省景德镇市珠山区1号",
        )
        await http.post("/subjects", name="别家", phone="13900000000")
    found = await http.get("/subjects", q=query)
    assert ([row["name"] for row in found["items"]], found["total"]) == (["德化 陶瓷坊"], 1)


@pytest.mark.parametrize("query", ["%", "__", "\\", "' OR 1=1 --", "德%坊", "zzz"])
async def test_patterns_are_text(world: World, query: str) -> None:
    assert (await world.at_registry(officer("360203")).get("/subjects", q=query))["items"] == []


async def test_presences(world: World) -> None:
    http = world.at_registry(NANCHANG)
    subject = await http.post("/subjects", name="赣鄱食品", licence="91330106673959654P")
    shop = await http.post(
        "/presences",
        name="赣鄱旗舰店",
        channel="shop_b",
        subject_id=subject["id"],
        platform="天猫",
        url="https://ganpo.tmall.com/",
        icp="赣ICP备 15001421",
        phone="400-123-4567",
    )
    assert (shop["domain"], shop["channel_zh"]) == ("ganpo.tmall.com", "网店（B店）")
    assert [w["code"] for w in shop["warnings"]] == ["icp.variant"]
    whole = await http.get(f"/subjects/{subject['id']}")
    assert [p["name"] for p in whole["presences"]] == ["赣鄱旗舰店"]
    for params in (
        {"q": "ganpo.tmall"},
        {"q": "赣ICP备15001421号"},
        {"subject_id": subject["id"]},
        {"channel": "shop_b"},
    ):
        assert [r["id"] for r in (await http.get("/presences", **params))["items"]] == [shop["id"]]
    assert (await http.get(f"/presences/{shop['id']}"))["phone"] == "400*****4567"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/subjects", {"name": " "}, 422),
        ("/subjects", {"name": "x" * 501}, 422),
        ("/subjects", {"name": "a\0b"}, 422),
        ("/subjects", {"name": "x", "region_code": "360702"}, 403),
        ("/subjects", {"name": "x", "region_code": "36"}, 422),
        ("/presences", {"name": "x", "channel": "market"}, 422),
        ("/presences", {"name": "x", "channel": "shop", "url": "javascript:1"}, 422),
        ("/presences", {"name": "x", "channel": "shop", "subject_id": "0" * 26}, 404),
    ],
)
async def test_bad_input(world: World, path: str, body: dict[str, Any], status: int) -> None:
    answer = await world.at_registry(NANCHANG).call("POST", path, json=body)
    assert answer.status_code == status and answer.json()["todo"]


async def test_a_city_may_enter_for_its_counties(world: World) -> None:
    made = await world.at_registry(CITY).post("/subjects", name="市局代录", region_code="360124")
    assert (made["region_code"], made["org_code"]) == ("360124", "360100-SJ")


async def test_lists_take_few_statements(world: World) -> None:
    """Two for a page; a third now and then, which asks whether the table has grown (search.shapes)."""
    for path in ("/subjects", "/presences"):  # how frequent what is, is looked at once a process
        await world.at_registry(PROVINCE).get(path)
    for path in ("/subjects", "/subjects?q=茶行", "/presences?limit=200", "/presences?q=旗舰", "/imports"):
        with counted() as seen:
            assert (await world.at_registry(PROVINCE).call("GET", path)).status_code == 200
        assert len(seen) <= 3, (path, seen)


async def test_reading_needs_its_permission(world: World) -> None:
    reader = officer("360121", "只读", OFFICER - {"registry:write"})
    assert (await world.at_registry(reader).call("GET", "/subjects")).status_code == 200
    assert (await world.at_registry(reader).call("POST", "/subjects", json={"name": "x"})).status_code == 403
    administrator = officer("360000", "管理", frozenset({"user:manage"}))
    for path, status in (("/regions", 200), ("/organisations", 200), ("/subjects", 403), ("/imports", 403)):
        assert (await world.at_registry(administrator).call("GET", path)).status_code == status
    nobody = officer("360121", "无权", frozenset())
    for path in ("/subjects", "/presences", "/regions", "/organisations", "/imports", "/presences/export"):
        assert (await world.at_registry(nobody).call("GET", path)).status_code == 403
