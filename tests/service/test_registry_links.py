"""Links over HTTP: pages, explanations, chains, judgements, hubs, and what another county may not see."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import true

from services.common.identity import Claims
from services.common.settings import Settings
from tests.records_world import counted, sql
from tests.registry_links_world import CITY, HERE, PROVINCE, READER, THERE, Links, running_links

AGENT = "15070790000"
SECRET_NAME, PHONE = "南康家具批发暗店", "13970790001"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[Links]:
    async with running_links(make_settings, token_for) as running:
        yield running


@pytest.fixture(scope="module")
async def shops(world: Links) -> dict[str, str]:
    """a-b share a phone, b-c a WeChat id and a QQ, c-d a phone; x in another city shares a's phone."""
    made = {
        "a": await world.shop(HERE, "甲店", phone=PHONE, licence="91330106673959654P"),
        "b": await world.shop(HERE, "乙店", phone="+86 139-7079-0001", wechat="nk_jiaju88", qq="280011223"),
        "c": await world.shop(HERE, "丙店", phone="13870790003", wechat="nk_jiaju88", qq="280011223"),
        "d": await world.shop(HERE, "丁店", phone="１３８７０７９０００３"),
        "x": await world.shop(THERE, SECRET_NAME, phone=PHONE),
        "alone": await world.shop(HERE, "独店", phone="13970799999"),
    }
    await world.link()
    return made


async def test_one_hop_with_reasons_and_what_lies_elsewhere(world: Links, shops: dict[str, str]) -> None:
    page = await world.at(HERE).get(f"/links/{shops['a']}")
    assert [row["shop"]["id"] for row in page["linked"]] == [shops["b"]]
    assert [kind["zh"] for kind in page["linked"][0]["kinds"]] == ["电话"]
    assert [(row["region_code"], row["count"]) for row in page["elsewhere"]] == [("360702", 1)]
    assert page["elsewhere"][0]["org_name"] == "章贡区市场监督管理局"
    phone = next(value for value in page["values"] if value["kind"] == 1)
    assert (phone["masked"], phone["holders"], phone["hub"]) == ("139****0001", 3, False)
    assert page["cluster"]["size"] == 5 and page["rule_version"]
    assert (await world.at(HERE).get(f"/links/{shops['alone']}"))["linked"] == []
    wider = await world.at(PROVINCE).get(f"/links/{shops['a']}")
    assert {row["shop"]["id"] for row in wider["linked"]} == {shops["b"], shops["x"]}


async def test_an_explanation_masks_and_reveals_on_record(world: Links, shops: dict[str, str]) -> None:
    path = f"/links/{shops['b']}/to/{shops['c']}"
    told = await world.at(HERE).get(path)
    assert {(value["kind"], value["standing"], value["others"]) for value in told["values"]} == {
        (2, "links", 0),
        (3, "links", 0),
    }
    assert told["status"] == "linked" and "nk_jiaju88" not in str(told) and "280011223" not in str(told)
    refused = await world.at(READER).call("POST", f"{path}/reveal", json={"purpose": "case"})
    assert refused.status_code == 403
    plain = await world.at(HERE).post(f"{path}/reveal", purpose="case")
    assert {value["a"]["form"] for value in plain["values"]} == {"nk_jiaju88", "280011223"}
    seen = await sql(world.db, "SELECT after FROM audit WHERE event = 'link.revealed'")
    assert [row.after["purpose"] for row in seen] == ["case"] and "nk_jiaju88" not in str(seen)
    itself = await world.at(HERE).call("GET", f"/links/{shops['b']}/to/{shops['b']}")
    assert (itself.status_code, itself.json()["code"]) == (422, "link.one_shop")


async def test_raw_forms_stay_as_each_shop_wrote_them(world: Links, shops: dict[str, str]) -> None:
    plain = await world.at(HERE).post(f"/links/{shops['a']}/to/{shops['b']}/reveal", purpose="case")
    (value,) = plain["values"]
    assert (value["a"]["form"], value["b"]["form"]) == (PHONE, "+86 139-7079-0001")
    assert value["others"] == 1  # the shop elsewhere is counted, never named


async def test_why_two_are_together_and_what_holds_them(world: Links, shops: dict[str, str]) -> None:
    why = await world.at(HERE).get(f"/links/{shops['a']}/path/{shops['d']}")
    assert why["together"] and [node["shop"]["name"] for node in why["nodes"]] == [
        "甲店",
        "乙店",
        "丙店",
        "丁店",
    ]
    # x elsewhere holds a and b together too; only c and d hang on one phone.
    assert [edge["bridge"] for edge in why["edges"]] == [False, True, True]
    assert why["weakest"] == 2 and why["single_weak_bridge"]
    assert not (await world.at(HERE).get(f"/links/{shops['a']}/path/{shops['alone']}"))["together"]
    group = await world.at(HERE).get(f"/links/{shops['a']}/cluster")
    assert len(group["nodes"]) == 4 and group["elsewhere"][0]["region_code"] == "360702"


async def test_a_stranger_learns_that_there_is_a_link_and_nothing_more(
    world: Links, shops: dict[str, str]
) -> None:
    for path in ("", "/cluster", f"/path/{shops['x']}", f"/to/{shops['x']}"):
        answer = await world.at(HERE).call("GET", f"/links/{shops['a']}{path}")
        assert SECRET_NAME not in answer.text and shops["x"] not in answer.text.replace(path, "")
        assert answer.status_code == (404 if shops["x"] in path else 200)
        assert (await world.at(THERE).call("GET", f"/links/{shops['a']}{path}")).status_code == 404
    through = await world.at(THERE).get(f"/links/{shops['x']}")
    assert through["linked"] == [] and [row["count"] for row in through["elsewhere"]] == [2]
    assert "甲店" not in str(through)
    judged = await world.at(HERE).call(
        "POST",
        "/judgements",
        json={"shop_a": shops["a"], "shop_b": shops["x"], "verdict": "same", "reason": "试探"},
    )
    assert judged.status_code == 404


async def test_negative_control_without_the_scope_the_name_would_show(
    world: Links, shops: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.registry.links.repository._region", lambda claims: "%")
    answer = await world.at(HERE).call("GET", f"/links/{shops['a']}")
    assert SECRET_NAME in answer.text


async def test_a_shop_is_linked_as_soon_as_it_is_entered(world: Links) -> None:
    one, two = [await world.shop(HERE, f"新录{n}", phone="13970798888") for n in (1, 2)]
    page = await world.at(HERE).get(f"/links/{one}")
    assert [row["shop"]["id"] for row in page["linked"]] == [two] and page["cluster"]["size"] == 2


async def judge(world: Links, who: Claims, one: str, other: str, verdict: str) -> Any:
    return await world.at(who).post(
        "/judgements", shop_a=one, shop_b=other, verdict=verdict, reason="现场核查记录"
    )


async def test_a_judgement_holds_against_automatic_links_and_is_taken_back_by_a_later_one(
    world: Links,
) -> None:
    one = await world.shop(HERE, "判一", phone="13970791111")
    two = await world.shop(HERE, "判二", phone="13970791111")
    await world.link()
    first = await judge(world, HERE, two, one, "different")
    assert first["judgement"]["live"] and first["conflicts"] == []
    await world.link()  # the engine runs again, from scratch
    page = await world.at(HERE).get(f"/links/{one}")
    assert page["linked"] == [] and [row["reasons"] for row in page["gone"]] == [["judged"]]
    told = await world.at(HERE).get(f"/links/{one}/to/{two}")
    assert (told["status"], told["gone"], told["judged_by"]) == ("judged_different", ["judged"], "李雷")
    assert not told["same_cluster"]
    await judge(world, CITY, one, two, "withdrawn")
    page = await world.at(HERE).get(f"/links/{one}")
    assert [row["shop"]["id"] for row in page["linked"]] == [two] and page["gone"] == []
    again = await world.at(HERE).call(
        "POST",
        "/judgements",
        json={"shop_a": one, "shop_b": two, "verdict": "withdrawn", "reason": "再次撤回"},
    )
    assert (again.status_code, again.json()["code"]) == (409, "judgement.none")
    listed = await world.at(HERE).get("/judgements", shop=one, all="true")
    assert [(row["verdict"], row["live"]) for row in listed["items"]] == [
        ("withdrawn", True),
        ("different", False),
    ]
    assert (await world.at(THERE).get("/judgements", shop=one, all="true"))["items"] == []


async def test_negative_control_an_engine_deaf_to_judgements_would_link_again(
    world: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That `different` holds is the engine reading judgements, not chance: without it the two are one."""
    one, two = [await world.shop(HERE, f"对照判{n}", phone="13970795555") for n in (1, 2)]
    await judge(world, HERE, one, two, "different")
    assert not (await world.at(HERE).get(f"/links/{one}/to/{two}"))["same_cluster"]

    async def deaf(*_: Any) -> dict[Any, Any]:
        return {}

    monkeypatch.setattr("services.registry.judgements.repository.live", deaf)
    await world.link()
    assert (await world.at(HERE).get(f"/links/{one}/to/{two}"))["same_cluster"]
    monkeypatch.undo()
    await world.link()
    assert not (await world.at(HERE).get(f"/links/{one}/to/{two}"))["same_cluster"]


async def test_a_judgement_links_shops_that_share_nothing(world: Links) -> None:
    one, two = [await world.shop(HERE, f"无共同值{n}", phone=f"1397079222{n}") for n in (1, 2)]
    await world.link()
    await judge(world, HERE, one, two, "same")
    page = await world.at(HERE).get(f"/links/{one}")
    assert [(row["shop"]["id"], row["verdict"], row["kinds"]) for row in page["linked"]] == [
        (two, "same", [])
    ]
    why = await world.at(HERE).get(f"/links/{one}/path/{two}")
    assert why["together"] and not why["single_weak_bridge"]
    await judge(world, HERE, one, two, "unsure")
    assert (await world.at(HERE).get(f"/links/{one}"))["linked"] == []


async def test_contradicting_judgements_are_shown_and_never_settled(world: Links) -> None:
    a, b, c = [await world.shop(HERE, f"矛盾{n}", phone=f"1397079333{n}") for n in (1, 2, 3)]
    await judge(world, HERE, a, b, "same")
    await judge(world, HERE, b, c, "same")
    clash = await judge(world, CITY, a, c, "different")
    (conflict,) = clash["conflicts"]
    assert [shop["name"] for shop in conflict["path"]] == ["矛盾1", "矛盾2", "矛盾3"]
    live = await sql(world.db, "SELECT count(*) FROM judgements WHERE live AND reason = '现场核查记录'")
    assert live[0][0] >= 3
    found = (await world.at(HERE).get("/findings", code="judgement.conflict"))["items"]
    assert found[0]["state"] == "new" and {shop["id"] for shop in found[0]["shops"]} == {a, b, c}
    assert (await world.at(THERE).get("/findings"))["items"] == []
    settled = await world.at(HERE).post(f"/findings/{found[0]['id']}/state", state="settled", note="已复核")
    assert (settled["state"], settled["author_name"]) == ("settled", "李雷")
    city = (await world.at(CITY).get("/findings", code="judgement.conflict"))["items"]
    assert city[0]["state"] == "new"  # each authority settles for itself
    assert (await world.at(THERE).call(
        "POST", f"/findings/{found[0]['id']}/state", json={"state": "seen"}
    )).status_code == 404  # fmt: skip
    await judge(world, CITY, a, c, "withdrawn")
    cleared = (await world.at(HERE).get("/findings", code="judgement.conflict"))["items"]
    assert cleared[0]["cleared_at"]


@pytest.mark.parametrize("table", ["judgements", "hub_rulings"])
async def test_what_officers_decided_cannot_be_removed_or_rewritten(world: Links, table: str) -> None:
    if table == "hub_rulings":
        await sql(
            world.db,
            "INSERT INTO hub_rulings (kind, key, ruling, reason, author, author_name, org_code, region_code,"
            " at, live) VALUES (10, 1, 'hub', 'x', 'u', 'u', 'o', '360000', now(), true)",
        )
    for statement in (
        "DELETE FROM {}",
        "UPDATE {} SET reason = 'y'",
        "UPDATE {} SET live = true",
    ):
        with pytest.raises(Exception, match="stay on record"):
            await sql(world.db, statement.format(table))


async def test_an_edit_withdraws_a_link_and_says_why(world: Links) -> None:
    one = await world.shop(HERE, "改一", phone="13970794444")
    two = await world.shop(HERE, "改二", phone="13970794444")
    await world.link()
    await sql(
        world.db,
        "UPDATE identifiers SET ended_at = now() WHERE presence_no ="
        " (SELECT no FROM presences WHERE id = :id)",
        id=two,
    )
    await world.link()
    for mine, other in ((one, two), (two, one)):
        page = await world.at(HERE).get(f"/links/{mine}")
        assert page["linked"] == []
        assert [(row["shop"]["id"], row["reasons"]) for row in page["gone"]] == [(other, ["ended"])]
    told = await world.at(HERE).get(f"/links/{one}/to/{two}")
    assert (told["status"], told["gone"], told["values"][0]["standing"]) == ("not_linked", ["ended"], "ended")


async def test_a_page_takes_few_statements_however_many_links(world: Links, shops: dict[str, str]) -> None:
    with counted() as seen:
        await world.at(HERE).get(f"/links/{shops['a']}")
    assert len(seen) <= 8, seen


@pytest.fixture(scope="module")
async def clients(world: Links) -> list[str]:
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
    world: Links, clients: list[str]
) -> None:
    value = await value_of(world, clients[0])
    before = await world.at(HERE).get(f"/links/{clients[0]}")
    assert len(before["linked"]) == 3
    refused = await world.at(HERE).call(
        "POST", f"/hubs/{value}/rulings", json={"ruling": "hub", "reason": "代办公司电话"}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "hub.wider")
    assert refused.json()["region_code"] == "360000"
    ruled = await world.at(PROVINCE).post(f"/hubs/{value}/rulings", ruling="hub", reason="代办公司电话")
    assert (ruled["hub"], ruled["ruled"], ruled["holders"]) == (True, "hub", 5)
    page = await world.at(HERE).get(f"/links/{clients[0]}")
    assert page["linked"] == [] and page["elsewhere"] == []
    fact = next(one for one in page["values"] if one["kind"] == 1)
    assert fact["hub"] and fact["holders"] == 5 and fact["why_zh"]
    told = await world.at(HERE).get(f"/links/{clients[0]}/to/{clients[1]}")
    assert (told["status"], told["gone"], told["values"][0]["standing"]) == ("not_linked", ["hub"], "hub")
    listed = (await world.at(HERE).get("/hubs"))["items"]
    assert [(row["id"], row["here"], row["masked"]) for row in listed] == [(value, 4, "150****0000")]
    assert (await world.at(HERE).get("/hubs", kind=2))["items"] == []
    await world.link()  # from scratch: the ruling holds
    assert (await world.at(HERE).get(f"/links/{clients[0]}"))["linked"] == []
    undone = await world.at(PROVINCE).post(f"/hubs/{value}/rulings", ruling="withdrawn", reason="认定有误")
    assert undone["ruled"] is None and [one["live"] for one in undone["rulings"]] == [True, False]
    assert len((await world.at(HERE).get(f"/links/{clients[0]}"))["linked"]) == 3
    twice = await world.at(PROVINCE).call(
        "POST", f"/hubs/{value}/rulings", json={"ruling": "withdrawn", "reason": "再撤"}
    )
    assert (twice.status_code, twice.json()["code"]) == (409, "hub.no_ruling")
    seen = await sql(world.db, "SELECT object_id, after FROM audit WHERE event = 'hub.ruled' ORDER BY at")
    assert [row.after["ruling"] for row in seen] == ["hub", "withdrawn"] and AGENT not in str(seen)


async def test_a_value_shows_the_own_regions_shops_only(world: Links, clients: list[str]) -> None:
    value = await value_of(world, clients[0])
    mine = await world.at(HERE).get(f"/hubs/{value}")
    assert {shop["id"] for shop in mine["shops"]} == set(clients[:4]) and mine["forms"] == ["150****0000"]
    assert not mine["may_rule"] and mine["ruling_region"] == "360000"
    assert len((await world.at(PROVINCE).get(f"/hubs/{value}"))["shops"]) == 5
    theirs = await world.at(THERE).get(f"/hubs/{value}")
    assert [shop["id"] for shop in theirs["shops"]] == [clients[4]] and theirs["holders"] == 5
    own = (await world.at(HERE).get(f"/links/{clients[3]}"))["values"]
    qq = next(one["value_id"] for one in own if one["kind"] == 2)
    for name in (qq, "1-0000000000000000", "99-0000000000000000"):
        assert (await world.at(THERE).call("GET", f"/hubs/{name}")).status_code == 404
    assert (await world.at(HERE).call("GET", "/hubs/1-xyz")).status_code == 422


async def test_the_list_of_shops_narrows_to_those_that_show_a_value(world: Links, clients: list[str]) -> None:
    value = await value_of(world, clients[0])

    async def shown(who: Claims, **asked: object) -> list[str]:
        page = await world.at(who).post("/presences/search", value=value, **asked)
        return [row["id"] for row in page["items"]]

    assert await shown(PROVINCE) == clients[::-1]
    assert await shown(HERE) == clients[3::-1] and await shown(THERE) == clients[4:]
    assert await shown(PROVINCE, q="赣州") == clients[4:] and await shown(PROVINCE, q="没有这家") == []
    first = await world.at(PROVINCE).post("/presences/search", value=value, limit=2)
    cursor, rest = first["next_cursor"], []
    while cursor:
        page = await world.at(PROVINCE).post("/presences/search", value=value, limit=2, cursor=cursor)
        rest += [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
    assert rest == clients[2::-1]
    counted = await world.at(PROVINCE).post("/presences/facets", value=value)
    assert (counted["total"], counted["capped"]) == (5, False)
    file = await world.at(HERE).call("POST", "/presences/export", json={"value": value})
    assert len(file.text.strip().splitlines()) == 5 and AGENT not in file.text
    unknown = {"1-0000000000000000": 200, "99-0000000000000000": 404, "1-xyz": 422}
    for name, status in unknown.items():
        answer = await world.at(PROVINCE).call("POST", "/presences/search", json={"value": name})
        assert answer.status_code == status, answer.text
        assert status != 200 or answer.json()["items"] == []


async def test_negative_control_without_the_scope_a_stranger_would_see_the_shops(
    world: Links, clients: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    value = await value_of(world, clients[0])
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
