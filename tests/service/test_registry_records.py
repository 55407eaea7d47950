"""Records: what is personal is sealed, every value has a history, a look in full has a purpose."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from services.common.identity import Claims
from services.common.settings import Settings
from tests.records_world import OFFICER, World, officer, running_world, sql

REVEALER = officer("360121", permissions=OFFICER | {"registry:reveal"})
PLAIN = {
    "phone": "13870911234",
    "qq": "80012377",
    "wechat": "gan_po_2031",
    "address": "江西省南昌市南昌县莲塘镇澄湖北大道1077号",
    "return_address": "江西省南昌市南昌县小蓝仓3栋",
    "legal_person": "欧阳慕容",
    "payment": "6222021502009911223",
}
ID_CARD = "360121198001010019"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def dump(world: World) -> str:
    """Every value of every table of the registry, as text; bytes as hexadecimal and as they are."""
    database = world.registry.state.db
    names = await sql(
        database,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name",
    )
    parts = []
    for (name,) in names:
        for row in await sql(database, f'SELECT * FROM "{name}"'):  # noqa: S608
            parts += [
                value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in row
            ]
    return "\n".join(parts)


def leaks(text: str) -> list[str]:
    return [value for value in (*PLAIN.values(), ID_CARD) if value in text]


async def enter(world: World, **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    http = world.at_registry(REVEALER)
    subject = await http.post("/subjects", name="赣江水产行", **{**PLAIN, "id_card": ID_CARD}, **values)
    shop = await http.post(
        "/presences", name="赣江水产旗舰店", channel="shop_b", subject_id=subject["id"], **PLAIN
    )
    return subject, shop


async def test_no_plain_value_lies_in_the_database(world: World) -> None:
    http = world.at_registry(REVEALER)
    subject, shop = await enter(world)
    for noun, row in (("subjects", subject), ("presences", shop)):
        await http.call("PATCH", f"/{noun}/{row['id']}", json={"phone": "13970000001"})
        await http.call("PATCH", f"/{noun}/{row['id']}", json={"phone": PLAIN["phone"], "reason": "核对"})
        await http.call("POST", f"/{noun}/{row['id']}/reveal", json={"purpose": "inspection"})
        await http.get(f"/{noun}", q=PLAIN["phone"])
    assert leaks(await dump(world)) == []


async def test_negative_control_the_dump_would_show_a_plain_value(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that are stored unsealed are found by the very same look."""
    personal = world.registry.state.personal
    monkeypatch.setattr(
        personal, "seal", lambda values, about: json.dumps(values, ensure_ascii=False).encode()
    )
    made = await world.at_registry(REVEALER).call("POST", "/subjects", json={"name": "未封", **PLAIN})
    assert made.json()["phone"] == "?"  # what is not sealed does not open
    assert set(leaks(await dump(world))) == set(PLAIN.values())
    await sql(world.registry.state.db, "DELETE FROM subjects WHERE name = '未封'")


async def test_reading_shows_masks_only(world: World) -> None:
    http = world.at_registry(REVEALER)
    subject, shop = await enter(world)
    answers = [
        await http.call("GET", path)
        for path in (
            f"/subjects/{subject['id']}",
            f"/presences/{shop['id']}",
            f"/subjects/{subject['id']}/history",
            f"/presences/{shop['id']}/history",
            "/subjects",
            "/presences",
            "/presences/export",
        )
    ]
    assert all(answer.status_code == 200 for answer in answers)
    assert [leaks(answer.text) for answer in answers] == [[]] * len(answers)
    assert leaks(json.dumps([subject, shop], ensure_ascii=False)) == []
    shown = answers[0].json()
    assert (shown["phone"], shown["legal_person"], shown["id_card"]) == (
        "138****1234",
        "欧***",
        "********0019",
    )
    kinds = {(one["kind_en"], one["value"]) for one in answers[1].json()["identifiers"]}
    assert ("Phone", "138****1234") in kinds


async def test_a_look_in_full_needs_permission_and_purpose_and_is_audited(world: World) -> None:
    subject, shop = await enter(world)
    path = f"/presences/{shop['id']}/reveal"
    reader = world.at_registry(officer("360121", "只读"))
    assert (await reader.call("POST", path, json={"purpose": "case"})).status_code == 403
    stranger = officer("360702", "外人", OFFICER | {"registry:reveal"})
    for body, status in (
        ({}, 422),
        ({"purpose": "because"}, 422),
        ({"purpose": "other"}, 422),
        ({"purpose": "case", "fields": ["name"]}, 422),
    ):
        assert (await world.at_registry(REVEALER).call("POST", path, json=body)).status_code == status
    hidden = await world.at_registry(stranger).call("POST", path, json={"purpose": "case"})
    assert hidden.status_code == 404
    answer = await world.at_registry(REVEALER).call(
        "POST", path, json={"purpose": "other", "note": "约谈", "fields": ["phone", "qq"]}
    )
    assert answer.json()["values"] == {"phone": PLAIN["phone"], "qq": PLAIN["qq"]}
    assert answer.headers["cache-control"] == "no-store"
    whole = await world.at_registry(REVEALER).post(f"/subjects/{subject['id']}/reveal", purpose="complaint")
    assert whole["values"] == {**PLAIN, "id_card": ID_CARD}
    rows = await sql(
        world.registry.state.db,
        "SELECT actor, after FROM audit WHERE event = 'presence.revealed' AND object_id = :id",
        id=shop["id"],
    )
    assert [(r.actor, r.after) for r in rows] == [
        (REVEALER.sub, {"purpose": "other", "note": "约谈", "fields": ["phone", "qq"]})
    ]


async def test_every_change_is_in_the_history(world: World) -> None:
    http = world.at_registry(REVEALER)
    subject, _ = await enter(world, licence="91110108551385082Q")
    path = f"/subjects/{subject['id']}"
    changed = await http.call(
        "PATCH",
        path,
        json={
            "name": "赣江水产有限公司",
            "phone": "13970000002",
            "qq": None,
            "registered_at": "2019-03-01",
            "former_names": [{"value": "赣江水产行", "until": "2024-01-02"}],
            "scope": "水产品销售",
        },
    )
    assert changed.status_code == 200, changed.text
    body = changed.json()
    assert (body["name"], body["phone"], body["qq"]) == ("赣江水产有限公司", "139****0002", None)
    assert (body["registered_at"], body["former_names"][0]["until"]) == ("2019-03-01", "2024-01-02")
    history = (await http.get(f"{path}/history"))["items"]
    assert {h["field"]: (h["old"], h["new"]) for h in history} == {
        "name": ("赣江水产行", "赣江水产有限公司"),
        "phone": ("138****1234", "139****0002"),
        "qq": ("80****77", None),
        "registered_at": (None, "2019-03-01"),
        "former_names": (
            [],
            [{"value": "赣江水产行", "until": "2024-01-02"}],
        ),
        "scope": (None, "水产品销售"),
    }
    assert {(h["by_name"], h["source"]) for h in history} == {("李雷", "manual")}
    again = await http.call("PATCH", path, json={"name": "赣江水产有限公司"})
    assert again.status_code == 200
    assert len((await http.get(f"{path}/history"))["items"]) == 6
    found = await http.get("/subjects", q="水产有限")
    assert [row["id"] for row in found["items"]] == [subject["id"]]
    assert [r["id"] for r in (await http.get("/subjects", q="13970000002"))["items"]] == [subject["id"]]


async def test_each_value_says_its_source_and_when_it_was_seen(world: World) -> None:
    http = world.at_registry(REVEALER)
    _, shop = await enter(world)
    path = f"/presences/{shop['id']}"
    # As a list left it that showed the shop in March and again in May.
    listed = "UPDATE presences SET source = '平台报送', first_seen = '2026-03-01Z', last_seen = '2026-05-01Z'"
    await sql(world.registry.state.db, f"{listed} WHERE id = '{shop['id']}' RETURNING id")
    await http.call("PATCH", path, json={"phone": "13970000003", "reason": "核对"})
    origins = {one["field"]: one for one in await http.get(f"{path}/origins")}
    changed, kept = origins["phone"], origins["qq"]
    assert (changed["source"], changed["first_seen"] > "2026-05-02") == ("manual", True)
    assert changed["first_seen"] == changed["last_seen"]
    assert (kept["source"], kept["first_seen"][:7]) == ("平台报送", "2026-03")
    assert kept["last_seen"][:7] == "2026-05"
    assert "icp" not in origins, "what has no value has no source"
    stranger = world.at_registry(officer("360722", permissions=OFFICER))
    assert (await stranger.call("GET", f"{path}/origins")).status_code == 404


async def test_edits_are_scoped_refused_when_stale_and_checked(world: World) -> None:
    http = world.at_registry(REVEALER)
    subject, shop = await enter(world)
    stranger = world.at_registry(officer("360702", "外人"))
    for noun, row in (("subjects", subject), ("presences", shop)):
        path = f"/{noun}/{row['id']}"
        assert (await stranger.call("PATCH", path, json={"name": "改"})).status_code == 404
        assert (await stranger.call("GET", f"{path}/history")).status_code == 404
        first = await http.call("PATCH", path, json={"name": "改一", "seen_at": row["updated_at"]})
        assert first.status_code == 200, first.text
        late = await http.call("PATCH", path, json={"name": "改二", "seen_at": row["updated_at"]})
        assert (late.status_code, late.json()["code"]) == (409, "record.changed")
        for bad in ({"name": " "}, {"name": None}, {"phone": "x" * 201}, {"channel": "market", "kind": "x"}):
            assert (await http.call("PATCH", path, json=bad)).status_code == 422
    theirs = await stranger.post("/subjects", name="别处主体")
    attach = await http.call("PATCH", f"/presences/{shop['id']}", json={"subject_id": theirs["id"]})
    assert attach.status_code == 404


async def test_a_changed_contact_ends_the_old_identifier(world: World) -> None:
    http = world.at_registry(REVEALER)
    _, shop = await enter(world)
    answer = await http.call("PATCH", f"/presences/{shop['id']}", json={"phone": "13970000003"})
    phones = [one for one in answer.json()["identifiers"] if one["kind_en"] == "Phone"]
    assert [(one["value"], one["ended_at"] is None) for one in phones] == [
        ("139****0003", True),
        ("138****1234", False),
    ]


async def test_permits(world: World) -> None:
    http = world.at_registry(REVEALER)
    subject, shop = await enter(world)
    given = {"kind": "food_business", "number": "JY13601210001234", "valid_to": "2020-01-01"}
    permit = await http.post(f"/subjects/{subject['id']}/permits", **given)
    assert (permit["lapsed"], permit["verify_state"]) == (True, "unverified")
    path = f"/subjects/{subject['id']}/permits/{permit['id']}"
    checked = await http.call("PATCH", path, json={"verify_state": "expired"})
    assert checked.json()["verified_at"]
    wrong = await http.call("PATCH", path, json={"valid_from": "2021-01-01"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "permit.period")
    elsewhere = await http.call("PATCH", f"/subjects/{'0' * 26}/permits/{permit['id']}", json={"number": "1"})
    assert elsewhere.status_code == 404
    stranger = world.at_registry(officer("360702", "外人"))
    assert (await stranger.call("PATCH", path, json={"number": "1"})).status_code == 404
    await http.post(f"/presences/{shop['id']}/permits", kind="other", number="X-1")
    whole = await http.get(f"/presences/{shop['id']}")
    assert [p["number"] for p in whole["permits"]] == ["X-1"]


async def test_inspections(world: World) -> None:
    http = world.at_registry(REVEALER)
    subject, shop = await enter(world)
    path = f"/presences/{shop['id']}/inspections"
    await http.post(path, result="not_shown", at="2025-05-01T08:00:00+08:00", note="首页未亮照")
    await http.post(path, result="normal", at="2025-04-01T08:00:00+08:00")
    future = await http.call("POST", path, json={"result": "normal", "at": "2999-01-01T00:00:00Z"})
    assert (future.status_code, future.json()["code"]) == (422, "inspection.future")
    for found in (await http.get(f"/presences/{shop['id']}"), await http.get(f"/subjects/{subject['id']}")):
        assert found["last_inspected_at"] == "2025-05-01T00:00:00Z"
    listed = await http.get("/inspections", q="未亮照")
    assert [(one["result"], one["presence_name"]) for one in listed["items"]] == [
        ("not_shown", "赣江水产旗舰店")
    ]
    stranger = world.at_registry(officer("360702", "外人"))
    assert (await stranger.call("POST", path, json={"result": "normal"})).status_code == 404
    assert (await stranger.get("/inspections"))["items"] == []


async def test_tags_go_down_the_tree_and_on_many_records_at_once(world: World) -> None:
    county, city = world.at_registry(REVEALER), world.at_registry(officer("360100", "市"))
    stranger = world.at_registry(officer("360702", "外人"))
    tag = await city.post("/tags", name="重点监管", tone="danger")
    assert [t["name"] for t in (await county.get("/tags"))["items"]] == ["重点监管"]
    assert (await stranger.get("/tags"))["items"] == []
    double = await city.call("POST", "/tags", json={"name": "重点监管"})
    assert (double.status_code, double.json()["code"]) == (409, "tag.known")
    assert (await county.call("PATCH", f"/tags/{tag['id']}", json={"name": "改"})).status_code == 403
    shops = [(await enter(world))[1]["id"] for _ in range(3)]
    far = (await stranger.post("/presences", name="外店", channel="shop"))["id"]
    rows = {"object_type": "presence", "ids": [*shops, far]}
    path = f"/tags/{tag['id']}/rows"
    preview = await county.post(path, **rows, preview=True)
    assert preview == {"given": 4, "visible": 3, "changed": 3, "preview": True}
    assert (await county.get(f"/presences/{shops[0]}"))["tags"] == []
    assert (await county.post(path, **rows))["changed"] == 3
    assert (await county.post(path, **rows))["changed"] == 0
    assert [t["name"] for t in (await county.get(f"/presences/{shops[0]}"))["tags"]] == ["重点监管"]
    assert (await stranger.get(f"/presences/{far}"))["tags"] == []
    off = await county.post(path, object_type="presence", ids=shops[:1], action="take_off")
    assert off["changed"] == 1
    history = (await county.get(f"/presences/{shops[0]}/history"))["items"]
    assert [(h["field"], h["old"], h["new"]) for h in history] == [
        ("tags", "重点监管", None),
        ("tags", None, "重点监管"),
    ]
    assert (await stranger.call("POST", path, json=rows)).status_code == 404
    retired = await city.call("PATCH", f"/tags/{tag['id']}", json={"retired": True})
    assert retired.json()["retired_at"]
    refused = await county.call("POST", path, json=rows)
    assert (refused.status_code, refused.json()["code"]) == (409, "tag.retired")


async def test_retired_codes_lead_to_todays_divisions(world: World) -> None:
    http = world.at_registry(REVEALER)
    retired = {one["code"]: one for one in (await http.get("/regions/retired"))["items"]}
    assert len(retired) == 12 and not any(one["verified"] for one in retired.values())
    assert (retired["360122"]["name"], retired["360122"]["successor_name"]) == ("新建县", "新建区")
    for licence, place in (
        ("91360122MA35AAAAXX", ("新建县", True, "360112")),
        ("91360121MA35AAAAXX", ("南昌县", False, None)),
        ("91110108MA35AAAAXX", (None, False, None)),
    ):
        subject = await http.post("/subjects", name="旧码主体", licence=licence)
        found = subject["registered_in"]
        assert (found["name"], found["retired"], found["successor"]) == place
        assert subject["region_code"] == "360121"  # what a licence says decides nothing
    assert (await http.post("/subjects", name="无照"))["registered_in"] is None


async def test_zones_stand_in_the_tree_and_see_their_county_only(world: World) -> None:
    chief = officer("360100", "市", OFFICER | {"registry:assign"})
    http = world.at_registry(chief)
    given = {"parent_code": "360100-SJ", "suffix": "HGT", "kind": "zone", "name": "红谷滩功能区市监局"}
    made = await http.post("/organisations", **given, region_code="360113")
    assert (made["code"], made["kind"], made["parent_code"]) == ("360100-SJ-HGT", "zone", "360100-SJ")
    zones = [o for o in (await http.get("/organisations", limit=500))["items"] if o["kind"] == "zone"]
    assert {o["code"] for o in zones if not o["verified"]} >= {"360100-SJ-GX", "360121-SJ-XL"}
    for changes, status, code in (
        ({}, 409, "organisation.known"),
        ({"suffix": "A", "name": "甲", "region_code": "360702"}, 403, "region.outside"),
        ({"suffix": "A", "name": "甲", "parent_code": "360702-SJ"}, 403, "region.outside"),
        ({"suffix": "A", "name": "甲", "region_code": "360100"}, 422, "organisation.county"),
        ({"suffix": "A", "name": "甲", "kind": "bureau"}, 422, "organisation.kind"),
        ({"suffix": "A", "name": "甲", "parent_code": "369900-SJ"}, 422, "organisation.unknown"),
    ):
        body = {**given, "region_code": "360113", **changes}
        answer = await http.call("POST", "/organisations", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    people = world.at_registry(officer("360113", "区内", org="360100-SJ-HGT"))
    assert (await people.call("POST", "/organisations", json=given)).status_code == 403
    mine = await people.post("/subjects", name="区内主体")
    assert (mine["org_code"], mine["region_code"]) == ("360100-SJ-HGT", "360113")
    await world.at_registry(REVEALER).post("/subjects", name="县里主体")
    assert [row["name"] for row in (await people.get("/subjects"))["items"]] == ["区内主体"]


async def test_what_belongs_to_a_shop_goes_with_it_to_another_region(world: World) -> None:
    """A claim moves the shop; its permits, inspections and history are then seen there and no longer here."""
    http, there = world.at_registry(REVEALER), world.at_registry(officer("360702", "外人"))
    _, shop = await enter(world)
    path = f"/presences/{shop['id']}"
    permit = await http.post(f"{path}/permits", kind="other", number="X-2")
    await http.post(f"{path}/inspections", result="not_ours", note="迁往章贡区")
    await sql(
        world.registry.state.db,
        "UPDATE presences SET region_code = '360702', subject_id = NULL WHERE id = :id",
        id=shop["id"],
    )
    moved = await there.get(path)
    assert ([p["number"] for p in moved["permits"]], len(moved["inspections"])) == (["X-2"], 1)
    changed = await there.call("PATCH", f"{path}/permits/{permit['id']}", json={"verify_state": "valid"})
    assert changed.status_code == 200
    assert len((await there.get("/inspections", q="章贡区"))["items"]) == 1
    assert (await http.get("/inspections", q="章贡区"))["items"] == []
    for method, gone in (
        ("GET", path),
        ("GET", f"{path}/history"),
        ("PATCH", f"{path}/permits/{permit['id']}"),
    ):
        assert (await http.call(method, gone, json={})).status_code == 404


async def test_history_cannot_be_rewritten(world: World) -> None:
    http = world.at_registry(REVEALER)
    subject, shop = await enter(world)
    await http.call("PATCH", f"/subjects/{subject['id']}", json={"scope": "茶叶", "phone": "13970000004"})
    await http.post(f"/presences/{shop['id']}/inspections", result="normal")
    ids = {"id": subject["id"], "shop": shop["id"]}
    for statement in (
        "UPDATE changes SET new = to_jsonb('酒'::text) WHERE object_id = :id",
        "UPDATE changes SET by = 'u-other' WHERE object_id = :id",
        "UPDATE changes SET sealed = NULL WHERE object_id = :id",
        "DELETE FROM changes WHERE object_id = :id",
        "UPDATE inspections SET result = 'suspected' WHERE presence_id = :shop",
    ):
        with pytest.raises(DBAPIError, match="never changed"):
            await sql(
                world.registry.state.db, statement, **{k: v for k, v in ids.items() if f":{k}" in statement}
            )
    fields = {h["field"] for h in (await http.get(f"/subjects/{subject['id']}/history"))["items"]}
    assert fields == {"scope", "phone"}
