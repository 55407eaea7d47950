"""Import of lists: odd files, workbooks, columns, dry run, upsert, remarks, safe export."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.common.bulk import Settling, undisturbed
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.bootstrap import load_demo
from services.registry.imports import repository
from services.registry.imports.keeping import FileKeeping
from services.registry.imports.reading.kept import ORIGINAL
from tests.records_world import World, officer, running_world, sql
from tests.registry_lists import HEADER, do, importer, load, upload, workbook


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


@pytest.mark.parametrize(
    ("county", "codec"),
    [
        ("360102", "utf-8"),
        ("360103", "utf-8-sig"),
        ("360104", "gb18030"),
        ("360111", "utf-16"),
        ("360112", "utf-16-be"),
    ],
)
async def test_encodings(world: World, county: str, codec: str) -> None:
    claims = importer(county)
    more = "".join(f"{i},红谷滩鲜果专营店{i},,,,江西省南昌市,,,淘宝\r\n" for i in range(2, 9))
    text = f"{HEADER}\r\n1,\u3400𠮷茶行,13807911234,,,江西南昌,,,淘宝\r\n{more}"
    result = await load(world, claims, text.encode(codec))
    assert (result["created"], result["errors"], result["state"]) == (8, [], "done")
    (row,) = (await world.at_registry(claims).get("/presences", q="𠮷茶行"))["items"]
    assert (row["name"], row["channel"], row["source_id"]) == ("\u3400𠮷茶行", "shop", "1")


async def test_big5_is_told_from_gb18030(world: World) -> None:
    claims = importer("360113")
    shops = ["臺北鮮果專賣店", "九龍茶葉有限公司", "高雄電器網路商店"]
    text = "\n".join([HEADER, *(f"{i},{name},,,,臺北市中正區重慶南路,,," for i, name in enumerate(shops))])
    result = await load(world, claims, text.encode("big5"))
    assert (result["encoding"], result["created"]) == ("big5hkscs", 3)
    assert (await world.at_registry(claims).get("/presences", q="臺北鮮果"))["total"] == 1


async def test_an_uncertain_encoding_says_so_and_can_be_chosen(world: World) -> None:
    claims = importer("360121")
    received = await upload(world, claims, "id,name\n1,臺北\n".encode("gb18030"))
    http, path = world.at_registry(claims), f"/imports/{received['id']}"
    seen = await http.get(f"{path}/preview")
    assert seen["layout"]["sure"] is False and "big5hkscs" in seen["encodings"]
    chosen = await http.call("PUT", f"{path}/layout", json={"encoding": "gb18030"})
    assert chosen.json()["layout"]["sure"] is True and chosen.json()["samples"] == [["1", "臺北"]]


async def test_a_workbook_with_a_title_and_chinese_headers(world: World) -> None:
    claims = importer("360123")
    data = workbook(
        [
            ["安义县网络经营主体名录"],
            ["序号", "店铺编号", "网店名称", "联系电话", "统一社会信用代码", "所属平台"],
            [1, "T-1", "安义茶行", 13807911234, "91330106673959654P", "淘宝"],
            [2, "T-2", "安义果业", 0.0, 913301066739596541, "拼多多"],
        ]
    )
    received = await upload(world, claims, data, name="名录.xlsx")
    assert received["layout"]["header"] == 2 and received["layout"]["sheet"] == "名录"
    assert received["mapping"] == [None, "id", "name", "phone", "licence", "platform"]
    seen = await world.at_registry(claims).get(f"/imports/{received['id']}/preview")
    assert seen["samples"][0] == ["*", "T-1", "安义茶行", "138****1234", "91330106673959654P", "淘宝"]
    result = await do(world, claims, received["id"], "start")
    assert (result["created"], result["rows"]) == (2, 2)
    assert ("cell.scientific", 4) in {(w["code"], w["row"]) for w in result["warnings"]}


async def test_columns_are_remembered_for_the_source(world: World) -> None:
    claims = importer("360202")
    http = world.at_registry(claims)
    first = await upload(world, claims, "代号,招牌,平台\nA,甲店,淘宝\n", source="景德镇")
    assert first["mapping"] == [None, None, "platform"]
    refused = await http.call("POST", f"/imports/{first['id']}/start")
    assert (refused.status_code, refused.json()["code"]) == (422, "import.name_missing")
    chosen = await http.call("PUT", f"/imports/{first['id']}/mapping", json={"mapping": ["id", "name", None]})
    assert chosen.status_code == 200
    second = await upload(world, claims, "平台,招牌,代号\n淘宝,甲店,A\n", source="景德镇")
    assert second["mapping"] == [None, "name", "id"]
    elsewhere = await upload(world, claims, "平台,招牌,代号\n淘宝,甲店,A\n", source="另一来源")
    assert elsewhere["mapping"] == ["platform", None, None]


async def test_importing_again_updates_by_source_and_id(world: World) -> None:
    claims = importer("360203")
    rows = [f"{i},店{i},1380791000{i},,,,91330106673959654P,," for i in range(3)]
    first = await load(world, claims, "\n".join([HEADER, *rows]))
    assert [first[k] for k in ("rows", "created", "updated", "unchanged")] == [3, 3, 0, 0]
    rows[1] = "1,店1改名,13907910001,,,,91330106673959654P,,"
    second = await load(world, claims, "\n".join([HEADER, *rows]))
    assert [second[k] for k in ("created", "updated", "unchanged")] == [0, 1, 2]
    other_source = await load(world, claims, "\n".join([HEADER, *rows]), source="市局名录")
    assert other_source["created"] == 3
    http = world.at_registry(claims)
    assert (await http.get("/presences", q="店1改名"))["total"] == 2
    (subject,) = (await http.get("/subjects"))["items"]
    assert subject["licence"] == "91330106673959654P"
    (changed,) = await sql(
        world.registry.state.db,
        "SELECT p.id, p.no, p.personal FROM presences p WHERE name = '店1改名' AND source = '平台报送'",
    )
    personal = world.registry.state.personal
    assert personal.open(changed.personal, changed.id) == {"phone": "13907910001"}
    history = await sql(
        world.registry.state.db,
        "SELECT field, old, new, sealed FROM changes WHERE object_id = :id",
        id=changed.id,
    )
    told = {row.field: row for row in history}
    assert (told["name"].old, told["name"].new) == ("店1", "店1改名")
    assert personal.open(told["phone"].sealed, changed.id)["old"] == "13807910001"
    kinds = await sql(
        world.registry.state.db,
        "SELECT kind, ended_at IS NULL AS live FROM identifiers WHERE presence_no = :no ORDER BY kind, live",
        no=changed.no,
    )
    assert [(k.kind, k.live) for k in kinds] == [(1, False), (1, True), (6, True)]


async def test_a_column_the_list_does_not_have_stays_as_it_was(world: World) -> None:
    claims = importer("360222")
    await load(world, claims, f"{HEADER}\n1,店,13807911234,,,,,,淘宝\n")
    result = await load(world, claims, "id,name\n1,新店名\n")
    assert result["updated"] == 1
    (row,) = (await world.at_registry(claims).get("/presences", q="新店名"))["items"]
    assert (row["phone"], row["platform"]) == ("138****1234", "淘宝")


async def test_bad_rows_are_named_and_the_rest_is_taken(world: World) -> None:
    claims = importer("360281")
    body = "\n".join(
        [
            HEADER,
            "1,好店,13807911234,,,,,,",
            ",无编号,,,,,,,",
            "3,短行",
            "4,含\0空,,,,,,,",
            f"5,{'长' * 3_500_000},,,,,,,",
            "6,NULL词,NULL,,无,,913301066739596541,,",
            "7,=HYPERLINK(1),+8613807911234,,@wx,，,,,",
            '8,"引"号,,,,,,,',
            "9,\u202e右至左\u202c店,１３８０７９１１２３４,,,,,,",
            "1,好店后写,,,,,,,",
        ]
    )
    result = await load(world, claims, body)
    assert (result["rows"], result["created"], result["doubled"], result["error_count"]) == (10, 4, 1, 5)
    assert [(e["row"], e["code"]) for e in result["errors"]] == [
        (3, "cell.missing"),
        (4, "row.columns"),
        (5, "cell.nul"),
        (6, "cell.too_long"),
        (9, "row.quote"),
    ]
    codes = {(w["row"], w["code"]) for w in result["warnings"]}
    assert {(7, "cell.null_word"), (7, "uscc.check_digit"), (11, "row.double")} <= codes
    http = world.at_registry(claims)
    assert (await http.get("/presences", q="好店后写"))["total"] == 1
    assert (await http.get("/presences", q="右至左店"))["total"] == 1
    (formula,) = (await http.get("/presences", q="HYPERLINK"))["items"]
    assert formula["name"] == "=HYPERLINK(1)"


async def test_the_file_of_remarks_is_masked_and_harmless(world: World) -> None:
    claims = importer("360302")
    body = f"{HEADER}\n=1+1,店甲,139079112,,,,,,\n2,店乙,138079112345678,,,,,,\n"
    made = await load(world, claims, body)
    http = world.at_registry(claims)
    answer = await http.call("GET", f"/imports/{made['id']}/remarks.csv")
    text = answer.content.decode("utf-8-sig")
    assert answer.status_code == 200 and "'=1+1" in text and "phone" in text
    assert "139079112" not in text and "138079112345678" not in text
    page = await http.get(f"/imports/{made['id']}/remarks", severity=1, limit=1)
    assert len(page["items"]) == 1 and page["next_cursor"]
    kept = await sql(world.registry.state.db, "SELECT value FROM import_remarks")
    assert not any("139079112" in row.value for row in kept)


async def test_the_kept_file_holds_nothing_in_the_clear_and_comes_back_whole(world: World) -> None:
    claims = importer("360313")
    body = f"{HEADER}\n1,封存店,13807911234,,,,,,\n".encode()
    made = await upload(world, claims, body)
    files = world.registry.state.import_files
    path = files.path(made["id"], "original")
    assert b"13807911234" not in path.read_bytes() and path.stat().st_mode & 0o077 == 0
    with files.open(made["id"], "original") as file:
        assert file.read() == body
    gone = await world.at_registry(claims).call("DELETE", f"/imports/{made['id']}")
    assert gone.status_code == 204 and not path.exists()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "import.empty"),
        (b"\n\n", "import.empty"),
        (b"\x89PNG\r\n\x1a\n\xff\xff\x81", "import.encoding"),
        (b"PK\x03\x04\xff\xfe\xff\xff", "import.workbook"),
    ],
)
async def test_files_that_are_no_list(world: World, data: bytes, code: str) -> None:
    answer = await world.at_registry(importer("360321")).call(
        "POST", "/imports", files={"file": ("x.csv", data, "text/csv")}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    left = await sql(world.registry.state.db, "SELECT 1 FROM imports WHERE org_code = '360321-SJ'")
    assert left == []


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(world: World) -> None:
    claims = importer("360322")
    await load(world, claims, f"{HEADER}\n1,店一,13807911234,,,,,,\n2,店二,,,,,,,\n")
    before = await sql(world.registry.state.db, "SELECT id, name, xmin::text FROM presences ORDER BY id")
    received = await upload(
        world, claims, f"{HEADER}\n1,店一,13907911234,,,,,,\n2,店二,,,,,,,\n3,店三,,,,,,,\n,缺,,,,,,,\n"
    )
    checked = await do(world, claims, received["id"], "check")
    assert checked["state"] == "checked"
    plan = checked["plan"]
    assert [plan[k] for k in ("rows", "created", "updated", "unchanged", "error_count")] == [4, 1, 1, 1, 1]
    (sample,) = plan["samples"]
    assert sample["fields"] == [{"field": "phone", "old": "138****1234", "new": "139****1234"}]
    after = await sql(world.registry.state.db, "SELECT id, name, xmin::text FROM presences ORDER BY id")
    assert after == before
    assert "start" in checked["actions"]
    done = await do(world, claims, received["id"], "start")
    assert [done[k] for k in ("created", "updated", "unchanged", "error_count")] == [1, 1, 1, 1]


async def test_rows_go_to_the_county_their_address_names(world: World) -> None:
    province = importer("360000", "省")
    rows = [
        "1,瑞金店,,,,江西省赣州市瑞金市象湖镇1号,,,",
        "2,无址店,,,,,,,",
        "3,外省店,,,,浙江省杭州市西湖区1号,,,",
    ]
    await load(world, province, "\n".join([HEADER, *rows]), source="省名录")
    http = world.at_registry(province)
    placed = {row["name"]: row["region_code"] for row in (await http.get("/presences", limit=200))["items"]}
    assert (placed["瑞金店"], placed["无址店"], placed["外省店"]) == ("360781", "360000", "360000")
    assert (await world.at_registry(officer("360781")).get("/presences", q="瑞金店"))["total"] == 1
    county = await load(world, importer("360783"), "\n".join([HEADER, rows[0]]), source="县名录")
    assert [w["code"] for w in county["warnings"]] == ["address.outside"]


async def test_who_may_see_and_do_what(world: World) -> None:
    claims = importer("360402")
    made = await load(world, claims, f"{HEADER}\n1,店,123,,,,,,\n2,,,,,,,,\n")
    (row,) = (await world.at_registry(claims).get("/imports"))["items"]
    assert (row["id"], row["warning_count"], row["error_count"]) == (made["id"], 1, 1)

    async def status(who: Claims, method: str, path: str, **options: Any) -> int:
        answer = await world.at_registry(who).call(method, f"/imports/{made['id']}{path}", **options)
        return answer.status_code

    stranger, above, reader = importer("360121"), importer("360400", "市"), officer("360402")
    for path in ("", "/remarks", "/remarks.csv"):
        assert await status(stranger, "GET", path) == 404
        assert await status(above, "GET", path) == 200
    assert await status(stranger, "POST", "/undo", json={}) == 404
    assert await status(above, "POST", "/undo", json={}) == 403
    for path in ("/start", "/undo", "/check", "/cancel"):
        assert await status(reader, "POST", path, json={}) == 403
    assert await status(claims, "POST", "/start") == 409


async def test_the_demo_market_comes_in(world: World) -> None:
    result = await load_demo(world.registry.state.db)
    assert result.created > 0 and result.errors == []
    again = await load_demo(world.registry.state.db)
    assert (again.created, again.updated, again.unchanged) == (0, 0, result.created)


@pytest.mark.parametrize("long", [False, True])
async def test_links_follow_a_list(world: World, long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short list at once, in its own transaction; after a long one all links are made anew."""
    if long:
        monkeypatch.setattr("services.registry.imports.runner.FOLLOWED_ROWS", 1)
    claims = importer("360481" if long else "360482")
    number = "13677771111" if long else "13677772222"
    rows = [f"{i},同一人店{i},{number},8877{int(long)}66,,,,," for i in range(3)]
    made = await load(world, claims, "\n".join([HEADER, *rows]))
    query = (
        "SELECT count(DISTINCT c.cluster), count(*) FROM clusters c JOIN presences p ON p.no = c.presence_no"
    )
    for _ in range(1_500):
        (found,) = await sql(world.registry.state.db, f"{query} WHERE p.import_id = :i", i=made["id"])
        if tuple(found) == (1, 3):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(tuple(found))


async def test_a_file_whose_time_is_over_is_removed_and_what_was_taken_stays(world: World) -> None:
    claims = importer("360502")
    database, files = world.registry.state.db, world.registry.state.import_files
    made = await load(world, claims, f"{HEADER}\n1,渝水茶行,,,,,,,淘宝\n")
    waiting = await upload(world, claims, f"{HEADER}\n2,渝水果行,,,,,,,淘宝\n", source="另一来源")
    young = await upload(world, claims, f"{HEADER}\n3,渝水粮行,,,,,,,淘宝\n", source="第三来源")
    age = "UPDATE imports SET updated_at = updated_at - make_interval(days => 31) WHERE id = :i"
    for one in (made, waiting):
        await sql(database, age, i=one["id"])
    assert await FileKeeping(database, files, 0).run() == 0  # 0: for good
    assert await FileKeeping(database, files, 32).run() == 0
    assert await FileKeeping(database, files, 30).run() == 2
    assert [files.has(one["id"], ORIGINAL) for one in (made, waiting, young)] == [False, False, True]
    http = world.at_registry(claims)
    assert (await http.get("/presences", q="渝水茶行"))["total"] == 1
    assert (await http.get(f"/imports/{waiting['id']}"))["actions"] == ["discard"]
    refused = await http.call("POST", f"/imports/{waiting['id']}/start", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "import.file_removed")
    assert (await do(world, claims, made["id"], "undo"))["state"] == "undone"
    assert (await do(world, claims, young["id"], "start"))["created"] == 1
    assert await FileKeeping(database, files, 30).run() == 0
    noted = "SELECT count(*) AS n FROM audit WHERE event = 'import.file_removed' AND object_id = :i"
    assert (await sql(database, noted, i=made["id"]))[0].n == 1


async def test_grams_of_a_list_are_sorted_in_when_it_is_done(world: World) -> None:
    claims, database = importer("360602"), world.registry.state.db
    waiting = "SELECT gin_clean_pending_list('ix_presences_search') AS pages"
    await world.at_registry(claims).post("/presences", name="分宜散户", channel="shop")
    assert (await sql(database, waiting))[0].pages > 0  # what waits is seen
    await load(world, claims, f"{HEADER}\n1,分宜茶行,,,,,,,淘宝\n2,分宜果行,,,,,,,淘宝\n")
    assert (await sql(database, waiting))[0].pages == 0


async def test_the_next_list_is_taken_in_while_grams_are_sorted_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, end = asyncio.Event(), Settling.end

    async def held(settling: Settling) -> None:
        await go_on.wait()
        await end(settling)

    monkeypatch.setattr(Settling, "end", held)
    claims = importer("360426")
    lists = [f"{HEADER}\n{n},德安茶行{n},,,,,,,淘宝\n" for n in (1, 2)]
    try:
        made = [await load(world, claims, text, source=f"名录{n}") for n, text in enumerate(lists)]
    finally:
        go_on.set()
    assert [(one["state"], one["created"]) for one in made] == [("done", 1)] * 2


async def test_while_a_list_is_written_its_tables_are_left_alone(world: World) -> None:
    database = world.registry.state.db
    analyse = "LOCK TABLE presences IN SHARE UPDATE EXCLUSIVE MODE NOWAIT"  # what ANALYZE and VACUUM take
    async with undisturbed(database, ["presences"]):
        async with undisturbed(database, ["presences"]):  # a second list goes on without
            await world.at_registry(importer("360603")).post("/presences", name="照常登记", channel="shop")
        with pytest.raises(DBAPIError):
            await sql(database, analyse)
    await sql(database, analyse)


async def test_an_import_that_went_on_while_links_were_made_waits_for_the_next_time(world: World) -> None:
    claims = importer("360681")
    made = await load(world, claims, f"{HEADER}\n1,续行茶庄,,,,,,,淘宝\n")
    links = text("SELECT links FROM imports WHERE id = :i")
    async with world.registry.state.db.transaction() as session:
        ids = {"i": made["id"]}
        await session.execute(text("UPDATE imports SET links = 'wanted' WHERE id = :i"), ids)
        for since, expected in ((utc_now() - timedelta(hours=1), "wanted"), (utc_now(), "done")):
            await repository.linked(session, [made["id"]], since)
            assert await session.scalar(links, ids) == expected
