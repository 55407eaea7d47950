"""Lists and searches as a person asks them: contacts found and masked, facets, saved searches, exports."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from services.common.identity import Claims
from services.common.personal import PersonalData
from services.common.settings import Settings
from services.registry.search import service as search_service
from services.registry.search.grams import plain_grams
from services.registry.search.places import with_elsewhere
from services.registry.search.rules import contact_grams
from services.registry.searches import repository as searches_repository
from services.registry.searches import tagging
from tests.records_world import Http, World, officer, running_world, sql
from tests.registry_lists import HEADER, importer, load

PROVINCE, RUIJIN, NANCHANG = officer("360000"), officer("360781"), officer("360100")
PHONE, ADDRESS = "13812345678", "江西省赣州市瑞金市红都大道88号6栋201室"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as started:
        http = started.at_registry(RUIJIN)
        await http.post(
            "/subjects", name="瑞金市检索脐橙合作社", phone=PHONE, legal_person="欧阳检索", address=ADDRESS
        )
        shop = {"channel": "shop", "platform": "淘宝", "url": "https://findme77.taobao.com/index.htm"}
        await http.post("/presences", name="检索旗舰店", phone="0797-555 1234", wechat="wx_findme", **shop)
        await http.post("/presences", name="=HYPERLINK(检索)", channel="app", qq="987654321")
        await started.at_registry(NANCHANG).post("/presences", name="南昌检索旗舰店", channel="shop")
        yield started


def names(found: Any) -> list[str]:
    return [row["name"] for row in found["items"]]


@pytest.mark.parametrize(
    ("words", "subjects", "shops"),
    [
        ("脐橙合作", 1, 0),
        (PHONE, 1, 0),
        ("138-1234-5678", 1, 0),
        ("5678", 1, 0),
        ("欧阳检", 1, 0),
        ("红都大道88号", 1, 0),
        ("5551234", 0, 1),
        ("97-5551", 0, 1),
        ("FINDME", 0, 1),
        ("https://findme77.taobao.com/", 0, 1),
        ("87654", 0, 1),
        ("旗舰店", 0, 1),
        ("一个也没有", 0, 0),
    ],
)
async def test_one_box_finds_by_any_part_and_tells_no_contact(
    world: World, words: str, subjects: int, shops: int
) -> None:
    answer = await world.at_registry(RUIJIN).post("/searches/find", q=words)
    assert (len(answer["subjects"]), len(answer["presences"])) == (subjects, shops)
    assert not {PHONE, "05551234", "0797-555 1234", ADDRESS} & {
        cell
        for row in (*answer["subjects"], *answer["presences"])
        for cell in row.values()
        if isinstance(cell, str)
    }


async def test_another_region_and_a_stranger_find_nothing(world: World) -> None:
    elsewhere = world.at_registry(NANCHANG)
    assert await elsewhere.post("/searches/find", q=PHONE) == {
        "subjects": [], "subjects_more": False, "presences": [], "presences_more": False,
    }  # fmt: skip
    assert (await elsewhere.get("/presences/facets", q="检索"))["total"] == 1
    nobody = world.at_registry(Claims("u", "u", "360100-SJ", "u", "360100"))
    for path in ("/searches", "/presences/facets", "/subjects/facets"):
        assert (await nobody.call("GET", path)).status_code == 403
    for path in ("/searches/find", "/searches", "/presences/search", "/subjects/search", "/presences/export"):
        assert (await nobody.call("POST", path, json={"q": "x"})).status_code == 403


async def test_words_in_the_body_give_the_same_list(world: World) -> None:
    http = world.at_registry(PROVINCE)
    asked = await http.get("/presences", q="检索", channel="shop")
    assert asked == await http.post("/presences/search", q="检索", channel="shop")
    assert names(asked) == ["南昌检索旗舰店", "检索旗舰店"]
    facets = await http.post("/presences/facets", q="检索")
    assert facets == await http.get("/presences/facets", q="检索")
    assert (facets["total"], facets["capped"]) == (3, False)
    assert facets["facets"]["region"] == [
        {"value": "360700", "count": 2}, {"value": "360100", "count": 1},
    ]  # fmt: skip
    assert {one["value"]: one["count"] for one in facets["facets"]["channel"]} == {"shop": 2, "app": 1}
    below = await http.get("/presences/facets", q="检索", region="360700")
    assert below["facets"]["region"] == [{"value": "360781", "count": 2}]


async def test_a_capped_count_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_service, "FACET_CAP", 2)
    facets = await world.at_registry(PROVINCE).get("/presences/facets", q="检索")
    assert (facets["total"], facets["capped"]) == (2, True)


async def test_a_tag_on_all_that_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagging, "STEP", 2)
    http, stranger = world.at_registry(PROVINCE), world.at_registry(NANCHANG)
    tag = (await http.post("/tags", name="全部结果"))["id"]

    async def through(who: Http, target: str = "presences", **more: Any) -> tuple[int, int]:
        rows, changed, cursor = 0, 0, ""
        while cursor is not None:
            query = {"q": "检索", **({"cursor": cursor} if cursor else {})}
            body = {"tag_id": tag, "target": target, "query": query, **more}
            step = await who.post("/searches/tag", **body)
            assert step["rows"] <= 2
            rows, changed, cursor = rows + step["rows"], changed + step["changed"], step["next_cursor"]
        return rows, changed

    assert await through(http, preview=True) == (3, 3)
    assert (await http.get("/presences", q="检索", tag=tag))["items"] == []
    assert await through(stranger) == (1, 1), "only what the asker may see"
    assert await through(http) == (3, 2), "asked anew it changes what is missing"
    assert len((await http.get("/presences", q="检索", tag=tag))["items"]) == 3
    assert await through(http, target="subjects") == (1, 1)
    assert await through(http, action="take_off") == (3, 3)
    shop = (await http.get("/presences", q="南昌检索"))["items"][0]["id"]
    history = (await stranger.get(f"/presences/{shop}/history"))["items"]
    assert [(one["old"], one["new"]) for one in history[:2]] == [("全部结果", None), (None, "全部结果")]
    unknown = {"tag_id": tag + 1_000, "target": "presences", "query": {}}
    assert (await http.call("POST", "/searches/tag", json=unknown)).status_code == 404
    reader = world.at_registry(officer("360000", permissions=frozenset({"registry:read"})))
    refused = await reader.call("POST", "/searches/tag", json={**unknown, "tag_id": tag})
    assert refused.status_code == 403


async def test_pages_follow_each_other_and_bad_cursors_are_refused(world: World) -> None:
    http = world.at_registry(PROVINCE)
    first = await http.get("/presences", q="检索", limit=2)
    second = await http.get("/presences", q="检索", limit=2, cursor=first["next_cursor"])
    assert names(first) + names(second) == ["南昌检索旗舰店", "=HYPERLINK(检索)", "检索旗舰店"]
    assert (first["total"], second["next_cursor"]) == (None, None)
    for cursor in ("x", "WyJhIl0", "WzFd" * 60, "W3RydWVd", "Wy0xXQ"):
        answer = await http.call("GET", "/presences", params={"cursor": cursor})
        assert answer.status_code == 422, cursor


async def test_exports_are_masked_and_run_no_formula(world: World) -> None:
    answer = await world.at_registry(RUIJIN).call("POST", "/presences/export", json={"q": "检索"})
    text = answer.content.decode("utf-8-sig")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "'=HYPERLINK" in text and ",=" not in text
    assert "555 1234" not in text and "987654321" not in text and "南昌" not in text
    audited = await sql(
        world.registry.state.db, "SELECT after::text FROM audit WHERE event = 'presence.exported'"
    )
    assert "检索" not in str(audited)


async def test_rows_are_cut_for_their_region_whoever_writes_them(world: World) -> None:
    claims, name, address = importer("360781"), "南昌市西湖登记店", "江西省九江市都昌县1号"
    http, database = world.at_registry(claims), world.registry.state.db
    for noun, more in (("subjects", {}), ("presences", {"channel": "shop"})):
        made = await http.post(f"/{noun}", name=name, address=address, **more)
        changed = {"name": "吉安市登记店", "address": address, "phone": PHONE}
        assert (await http.call("PATCH", f"/{noun}/{made['id']}", json=changed)).is_success
    await load(
        world, claims, "\n".join([HEADER, f"南昌1,{name},{PHONE},,,{address},91360702MA35K0000X,,淘宝"])
    )
    await load(world, claims, "\n".join([HEADER, f"南昌1,赣州登记店,{PHONE},,,江西省赣州市瑞金市1号,,,淘宝"]))
    personal: PersonalData = world.registry.state.personal
    for table, count in (("subjects", 2), ("presences", 2)):
        query = f"SELECT * FROM {table} WHERE search_text LIKE '%登记店%'"  # noqa: S608
        rows = await sql(database, query)
        assert len(rows) == count
        for row in rows:
            plain = with_elsewhere(plain_grams([row.search_text]), [row.region_code])
            assert sorted(row.grams) == sorted(plain.lists()[0])
            values = personal.open(row.personal, row.id) if row.personal else {}
            keyed = contact_grams(values, row.region_code, personal.gram)
            assert sorted(row.contact_grams) == sorted(keyed)
    for words, expected in (("吉安", 2), ("南昌", 2), ("九江市都昌", 2)):
        found = await http.post("/searches/find", q=words)
        assert len(found["subjects"]) + len(found["presences"]) == expected, words


async def test_saved_searches_are_ones_own_or_shared_in_the_house(world: World) -> None:
    mine, colleague = world.at_registry(RUIJIN), world.at_registry(officer("360781", "韩梅梅"))
    kept = await mine.post(
        "/searches", target="presences", name="高风险", q=PHONE, filters={"risk_min": "60", "channel": "shop"}
    )
    assert (kept["q"], kept["own"], kept["shared"]) == (PHONE, True, False)
    assert (await colleague.get("/searches", target="presences"))["items"] == []
    again = await mine.call("POST", "/searches", json={"target": "presences", "name": "高风险"})
    assert (again.status_code, again.json()["code"]) == (409, "search.known")
    assert (await mine.call("PATCH", f"/searches/{kept['id']}", json={"shared": True})).status_code == 200
    (seen,) = (await colleague.get("/searches", target="presences"))["items"]
    assert (seen["q"], seen["own"], seen["filters"]) == (PHONE, False, {"risk_min": "60", "channel": "shop"})
    assert (await world.at_registry(NANCHANG).get("/searches"))["items"] == []
    for method in ("PATCH", "DELETE"):
        refused = await colleague.call(method, f"/searches/{kept['id']}", json={"name": "改名"})
        assert refused.status_code == 404
    stored = await sql(world.registry.state.db, "SELECT t::text FROM saved_searches t")
    assert PHONE not in str(stored)
    assert (await mine.call("DELETE", f"/searches/{kept['id']}")).status_code == 204
    assert (await colleague.get("/searches"))["items"] == []


async def test_nobody_keeps_too_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def many(*_: Any) -> int:
        return 200

    monkeypatch.setattr(searches_repository, "count", many)
    answer = await world.at_registry(RUIJIN).call(
        "POST", "/searches", json={"target": "subjects", "name": "n"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "search.too_many")


async def test_a_merged_row_is_listed_only_when_asked_for(world: World) -> None:
    http = world.at_registry(PROVINCE)
    made = await http.post("/presences", name="并入他店的网店", channel="shop")
    statement = "UPDATE presences SET status = 'merged' WHERE id = :id"
    await sql(world.registry.state.db, statement, id=made["id"])
    assert names(await http.get("/presences", q="并入他店")) == []
    assert names(await http.get("/presences", q="并入他店", status="merged")) == ["并入他店的网店"]
