"""Duplicates: found with reasons, merged as previewed, taken back to exactly what was."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import true

from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.duplicates import repository
from tests.records_world import OFFICER, Http, World, officer, running_world, sql

IMPORTER = OFFICER | {"registry:import"}
PROVINCE = officer("360000", "省", IMPORTER)
NANCHANG = officer("360121", "县", IMPORTER)
GANZHOU = officer("360702", "章贡", IMPORTER)
READER = officer("360121", "读")
DUMPS = {
    "subjects": "SELECT to_jsonb(t) - 'updated_at' - 'personal' FROM subjects t ORDER BY id",
    "presences": "SELECT to_jsonb(t) - 'updated_at' - 'personal' FROM presences t ORDER BY id",
    "identifiers": "SELECT to_jsonb(t) FROM identifiers t ORDER BY presence_no, kind, key",
    "permits": "SELECT to_jsonb(t) - 'updated_at' FROM permits t ORDER BY id",
    "values": "SELECT to_jsonb(t) - 'decided_at' FROM identifier_values t ORDER BY kind, key",
    "clusters": "SELECT to_jsonb(t) FROM clusters t ORDER BY presence_no",
    "inspections": "SELECT to_jsonb(t) FROM inspections t ORDER BY id",
}


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def dump(world: World) -> dict[str, Any]:
    """Every row of the tables a merge touches; personal values opened, since their ciphertext is never twice
    the same."""
    database, personal = world.registry.state.db, world.registry.state.personal
    told: dict[str, Any] = {name: [r[0] for r in await sql(database, query)] for name, query in DUMPS.items()}
    for table in ("subjects", "presences"):
        rows = await sql(database, f"SELECT id, personal FROM {table} WHERE personal IS NOT NULL")  # noqa: S608
        told[f"{table}.personal"] = {r.id: personal.open(bytes(r.personal), r.id) for r in rows}
    return told


async def searched(http: Http) -> dict[str, Any]:
    state: dict[str, Any] = await http.post("/duplicates/search")
    while state["state"] == "running":
        await asyncio.sleep(0.01)
        state = await http.get("/duplicates/search")
    assert state["state"] == "done" and state["done"] == state["steps"]
    return state


async def found(http: Http, **query: Any) -> list[dict[str, Any]]:
    await searched(http)
    items: list[dict[str, Any]] = (await http.get("/duplicates", **query))["items"]
    return items


async def merged(http: Http, number: int, keep: str, **choices: str) -> Any:
    seen = await http.get(f"/duplicates/{number}", keep=keep)
    return await http.post(f"/duplicates/{number}/merge", keep=keep, version=seen["version"], choices=choices)


async def twins(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """One operator as two authorities know it, with a shop and a permit under the second."""
    one = await world.at_registry(NANCHANG).post(
        "/subjects",
        name="莲塘茶行",
        licence="91330106673959654P",
        phone="13807911234",
        address="江西省南昌市南昌县莲塘镇澄湖路1号",
    )
    http = world.at_registry(GANZHOU)
    other = await http.post(
        "/subjects",
        name="莲塘茶业商行",
        licence="91330106673959654p",
        phone="0797-8223344",
        qq="12345678",
        address="南昌县澄湖路1号",
    )
    await http.post("/presences", name="茶行网店", channel="shop", platform="拼多多", subject_id=other["id"])
    await http.post(f"/subjects/{other['id']}/permits", kind="food_business", number="JY13607020001234")
    return one, other


async def same_licence(world: World) -> dict[str, Any]:
    """The pair of the twins, entered when they are not there yet."""
    http = world.at_registry(PROVINCE)
    known = await found(http, object_type="subject", reason="same_licence")
    if not known:
        await twins(world)
        known = await found(http, object_type="subject", reason="same_licence")
    (pair,) = known
    return pair


async def test_merge_then_unmerge_is_as_if_nothing_had_been(world: World) -> None:
    http = world.at_registry(PROVINCE)
    pair = await same_licence(world)
    before = await dump(world)
    one, other = pair["first"], pair["second"]
    assert pair["reasons"][0]["zh"] == "证照号码相同" and pair["score"] == 95
    seen = await http.get(f"/duplicates/{pair['id']}", keep=one["id"])
    assert seen["moves"] == {"presences": 1, "permits": 1}
    fields = {field["field"]: field for field in seen["fields"]}
    assert not fields["licence"]["conflict"] and not fields["address"]["conflict"]
    assert fields["qq"]["choice"] == "take" and fields["qq"]["result"] == "12****78"
    assert fields["phone"]["conflict"] and fields["phone"]["choices"] == ["both", "keep", "take"]
    assert fields["phone"]["kept"] == "138****1234" and "13807911234" not in str(seen)
    done = await merged(http, pair["id"], one["id"])
    assert done["duplicate"]["state"] == "merged" and done["merge"]["merged_id"] == other["id"]
    kept = await http.get(f"/subjects/{one['id']}")
    assert [shop["name"] for shop in kept["presences"]] == ["茶行网店"]
    assert len(kept["permits"]) == 1
    assert [entry["value"] for entry in kept["former_names"]] == ["莲塘茶业商行"]
    assert await dump(world) != before
    back = await http.post(f"/duplicates/{pair['id']}/unmerge")
    assert back["kept_edits"] == [] and back["undone_at"]
    assert await dump(world) == before
    changes = await sql(
        world.registry.state.db, "SELECT count(*) AS n FROM changes WHERE source LIKE 'merge:%'"
    )
    assert changes[0].n >= 10


async def test_a_choice_decides_and_a_later_edit_survives_the_unmerge(world: World) -> None:
    http = world.at_registry(PROVINCE)
    pair = await same_licence(world)
    one, other = pair["first"]["id"], pair["second"]["id"]
    await merged(http, pair["id"], one, phone="take", name="take")
    personal = (await dump(world))["subjects.personal"]
    assert personal[one]["phone"] == "0797-8223344"
    assert (await http.get(f"/subjects/{one}"))["name"] == "莲塘茶业商行"
    answer = await http.call("PATCH", f"/subjects/{one}", json={"phone": "13900001111", "reason": "来电更正"})
    assert answer.is_success, answer.text
    back = await http.post(f"/duplicates/{pair['id']}/unmerge")
    assert back["kept_edits"] == ["phone"]
    personal = (await dump(world))["subjects.personal"]
    assert personal[one]["phone"] == "13900001111" and "qq" not in personal[one]
    assert (await http.get(f"/subjects/{one}"))["name"] == "莲塘茶行"
    assert (await http.get(f"/subjects/{other}"))["status"] == "active"


async def test_what_was_previewed_is_what_is_merged(world: World) -> None:
    http = world.at_registry(PROVINCE)
    pair = await same_licence(world)
    one = pair["first"]["id"]
    seen = await http.get(f"/duplicates/{pair['id']}", keep=one)
    await http.call("PATCH", f"/subjects/{one}", json={"phone": "13900002222"})
    order = {"keep": one, "version": seen["version"], "choices": {}}
    stale = await http.call("POST", f"/duplicates/{pair['id']}/merge", json=order)
    assert (stale.status_code, stale.json()["code"]) == (409, "duplicate.changed")
    elsewhere = {**order, "keep": "0" * 26}
    wrong = await http.call("POST", f"/duplicates/{pair['id']}/merge", json=elsewhere)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "duplicate.keep")


async def test_shops_of_two_lists_are_one_and_show_what_both_showed(world: World) -> None:
    http = world.at_registry(NANCHANG)
    rows = [
        {"name": "南丰蜜橘店", "phone": "13807915678", "wechat": "nanfeng888"},
        {"name": "南丰蜜桔店", "phone": "13807919999", "address": "南昌市南昌县莲塘镇澄湖路8号"},
    ]
    shops = [
        await http.post("/presences", channel="shop", platform="淘宝", native_id="shop107", **row)
        for row in rows
    ]
    before = await dump(world)
    (pair,) = await found(http, object_type="presence", reason="native_id")
    await merged(http, pair["id"], shops[0]["id"])
    state = await dump(world)
    live = {(row["presence_no"], row["kind"]) for row in state["identifiers"] if row["ended_at"] is None}
    numbers = {row["id"]: row["no"] for row in state["presences"]}
    kept, other = numbers[shops[0]["id"]], numbers[shops[1]["id"]]
    assert {(kept, 1), (kept, 3), (kept, 4)} <= live and not {no for no, _ in live} & {other}
    shown = [
        r for r in state["identifiers"] if r["presence_no"] == kept and r["kind"] == 1 and not r["ended_at"]
    ]
    assert len(shown) == 2
    again = await http.call(
        "POST", f"/duplicates/{pair['id']}/merge", json={"keep": shops[0]["id"], "version": "0" * 64}
    )
    assert (again.status_code, again.json()["code"]) == (409, "duplicate.decided")
    await http.post(f"/duplicates/{pair['id']}/unmerge")
    assert await dump(world) == before
    none = await http.call("POST", f"/duplicates/{pair['id']}/unmerge")
    assert (none.status_code, none.json()["code"]) == (409, "merge.none")


async def test_a_merged_shop_shows_nothing_whoever_edits_it_and_shows_it_when_taken_back(
    world: World,
) -> None:
    http = world.at_registry(NANCHANG)
    shops = [
        await http.post(
            "/presences", name="改店", channel="shop", platform="京东", native_id="jd7", phone=phone
        )
        for phone in ("13507910001", "13507910002")
    ]
    pairs = await found(http, object_type="presence", reason="native_id")
    (pair,) = [one for one in pairs if one["first"]["id"] == shops[0]["id"]]
    await merged(http, pair["id"], shops[0]["id"])
    edited = await http.call("PATCH", f"/presences/{shops[1]['id']}", json={"qq": "87654321"})
    assert edited.is_success, edited.text
    numbers = {row["id"]: row["no"] for row in (await dump(world))["presences"]}

    async def live() -> list[int]:
        rows = (await dump(world))["identifiers"]
        other = numbers[shops[1]["id"]]
        return sorted(r["kind"] for r in rows if r["presence_no"] == other and not r["ended_at"])

    assert await live() == []
    await http.post(f"/duplicates/{pair['id']}/unmerge")
    assert await live() == [1, 2]


async def test_merges_are_taken_back_latest_first(world: World) -> None:
    http = world.at_registry(NANCHANG)
    shops = [
        await http.post("/presences", name=f"三店{n}", channel="shop", platform="抖音", native_id="room9")
        for n in range(3)
    ]
    before = await dump(world)
    pairs = [p for p in await found(http, object_type="presence") if p["first"]["id"] == shops[0]["id"]]
    assert len(pairs) == 2
    for pair in pairs:
        await merged(http, pair["id"], shops[0]["id"])
    early = await http.call("POST", f"/duplicates/{pairs[0]['id']}/unmerge")
    assert (early.status_code, early.json()["code"]) == (409, "merge.later")
    for pair in reversed(pairs):
        await http.post(f"/duplicates/{pair['id']}/unmerge")
    assert await dump(world) == before


async def test_reasons_that_need_opened_values_and_a_pair_that_was_dismissed(world: World) -> None:
    http = world.at_registry(officer("360702", "章贡", IMPORTER))
    for phone, address in (
        ("13700001111", "章贡区红旗大道12号3栋502"),
        ("１３７００００１１１１", "赣州章贡区红旗路12号3幢502室"),
    ):
        await http.post("/subjects", name="章贡小店", phone=phone, address=address)
    await http.post("/subjects", name="章贡小店", phone="13999999999")
    (pair,) = [p for p in await found(http, object_type="subject") if p["first"]["name"] == "章贡小店"]
    assert {reason["code"] for reason in pair["reasons"]} == {"name_door", "name_phone"}
    assert pair["reasons"][0]["code"] == "name_door"
    await http.post(f"/duplicates/{pair['id']}/dismiss", note="父子两家店")
    assert pair["id"] not in [p["id"] for p in await found(http)]
    (settled,) = (await http.get("/duplicates", state="dismissed"))["items"]
    assert (settled["id"], settled["note"]) == (pair["id"], "父子两家店")


async def test_a_shared_value_of_very_many_proposes_nothing(world: World) -> None:
    database = world.registry.state.db
    http = world.at_registry(officer("360429", "湖口", IMPORTER))
    await http.post("/presences", name="样板", channel="shop", platform="微店", native_id="0")
    await sql(
        database,
        "INSERT INTO presences (id, channel, platform, native_id, name, source, source_id, warnings,"
        " org_code, region_code, created_by, created_at, updated_at, search_text, grams)"
        " SELECT lpad(n::text, 26, '0'), 'shop', '微店', '0', 'x', 'test', n::text, '[]', '360429-SJ',"
        " '360429', 't', now(), now(), '', '{}' FROM generate_series(1, 60) n",
    )
    assert await found(http) == []


async def test_a_search_takes_up_what_the_limit_left_and_can_be_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = world.at_registry(officer("360481", "瑞昌", IMPORTER))
    for n in range(3):
        for name in ("甲", "乙"):
            await http.post(
                "/presences", name=f"{name}{n}", channel="shop", platform="快手", native_id=str(n)
            )
    monkeypatch.setattr(repository, "MOST_FOUND", 2)
    first, second, third = [await searched(http) for _ in range(3)]
    assert [(one["new"], one["capped"]) for one in (first, second, third)] == [
        (2, True),
        (1, False),
        (0, False),
    ]
    assert (await http.post("/duplicates/search"))["state"] == "running"
    assert (await http.post("/duplicates/search/cancel"))["state"] == "cancelled"
    assert (await searched(http))["new"] == 0


async def test_another_region_and_a_reader_neither_see_nor_touch(world: World) -> None:
    pair = await same_licence(world)
    for claims in (NANCHANG, GANZHOU):  # each sees one of the two records only
        one = world.at_registry(claims)
        assert pair["id"] not in [p["id"] for p in (await one.get("/duplicates"))["items"]]
        for method, path in (("GET", ""), ("POST", "/unmerge")):
            answer = await one.call(method, f"/duplicates/{pair['id']}{path}")
            assert answer.status_code == 404
        order = {"keep": pair["first"]["id"], "version": "0" * 64}
        assert (await one.call("POST", f"/duplicates/{pair['id']}/merge", json=order)).status_code == 404
        refused = await one.call("POST", f"/duplicates/{pair['id']}/dismiss", json={"note": "x"})
        assert refused.status_code == 404
    reader = world.at_registry(READER)
    assert (await reader.call("GET", "/duplicates")).status_code == 403
    assert (await reader.call("POST", "/duplicates/search")).status_code == 403


async def test_it_is_the_scope_that_hides_the_pair(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above: without the region's condition the county would see the pair."""
    pair = await same_licence(world)
    monkeypatch.setattr(repository, "region_filter", lambda column, claims: true())
    seen = (await world.at_registry(NANCHANG).get("/duplicates"))["items"]
    assert pair["id"] in [one["id"] for one in seen]


async def test_nothing_personal_is_written_plain(world: World) -> None:
    """Audit rows, history and merges hold none of the numbers that were merged."""
    database = world.registry.state.db
    for table in ("audit", "changes", "merges", "duplicates"):
        rows = await sql(database, f"SELECT to_jsonb(t)::text AS row FROM {table} t")  # noqa: S608
        told = "\n".join(row.row for row in rows)
        for value in ("13807911234", "8223344", "12345678", "13807915678", "nanfeng888", "澄湖路"):
            assert value not in told, (table, value)
