"""Periodic checks over HTTP: plans, due lists, results, weeding, restoring, regions."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import true

from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.verifications import planning
from tests.records_world import OFFICER, World, officer, running_world, sql

OFFICERS = OFFICER | {"registry:claim"}
DISPATCH = OFFICERS | {"registry:assign"}
PROVINCE, CITY = officer("360000", "省", DISPATCH), officer("360100", "市", DISPATCH)
COUNTY, STRANGER = officer("360121", "甲", OFFICERS), officer("360702", "丁", DISPATCH)


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        await running.registry.state.verification_plans.stop()  # rounds are run by hand here
        yield running


async def made(world: World, name: str, **more: Any) -> str:
    """A shop that its county entered and took."""
    http = world.at_registry(COUNTY)
    given = {"name": name, "channel": "shop", "url": "https://shop.example.com/1", **more}
    shop = str((await http.post("/presences", **given))["id"])
    await http.post(f"/claims/{shop}/transitions", action="take", version=0)
    return shop


async def ordered(world: World, shop: str, check_class: str = "dead_link", by: Claims = COUNTY) -> Any:
    return await world.at_registry(by).post("/verifications", presence_id=shop, check_class=check_class)


async def give(world: World, check: dict[str, Any], action: str, by: Claims = COUNTY, **more: Any) -> Any:
    body = {"action": action, "version": check["version"], **more}
    http = world.at_registry(by)
    return await http.call("POST", f"/verifications/{check['id']}/transitions", json=body)


async def round_of(world: World) -> None:
    while await planning.run_chunk(world.registry.state.db):
        pass


async def test_a_plan_writes_down_what_is_due_once(world: World) -> None:
    shops = {await made(world, f"计划店{n}") for n in range(3)}
    bare = await made(world, "计划无网址", url=None)
    await world.at_registry(COUNTY).post(
        "/presences", name="计划未认领", channel="shop", url="https://a.example"
    )
    http = world.at_registry(PROVINCE)
    plan = await http.post("/verifications/plans", name="网址月查", check_class="dead_link", every_days=1)
    await round_of(world)
    listed = await world.at_registry(COUNTY).get("/verifications", q="计划", when="now")
    assert {row["presence_id"] for row in listed["items"]} == shops  # claimed ones with an address only
    assert bare not in {row["presence_id"] for row in listed["items"]}
    assert all(row["overdue"] and row["class_zh"] == "网址失效" for row in listed["items"])
    again = await http.post(f"/verifications/plans/{plan['id']}/rounds")
    assert again["running"]
    await round_of(world)
    (shown,) = (await http.get("/verifications/plans"))["items"]
    assert (shown["running"], shown["planned"], shown["last_run_at"] is not None) == (False, 0, True)
    doubled = await sql(
        world.registry.state.db,
        "SELECT 1 FROM verifications WHERE state = 'due'"
        " GROUP BY presence_no, check_class HAVING count(*) > 1",
    )
    assert doubled == []
    path = f"/verifications/plans/{plan['id']}"
    stopped = await http.call("PATCH", path, json={"version": 1, "active": False})
    assert (stopped.json()["active"], stopped.json()["version"]) == (False, 2)
    late = await http.call("PATCH", path, json={"version": 1, "active": True})
    assert (late.status_code, late.json()["code"]) == (409, "workflow.stale")
    outside = await world.at_registry(CITY).call(
        "POST",
        "/verifications/plans",
        json={"name": "越界", "check_class": "mismatch", "every_days": 30, "region_code": "360702"},
    )
    assert (outside.status_code, outside.json()["code"]) == (403, "verification.outside")


async def test_a_round_cut_short_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "CHUNK", 2)
    for n in range(5):
        await made(world, f"断续店{n}")
    http = world.at_registry(CITY)
    body = {"name": "主体", "check_class": "mismatch", "every_days": 1, "region_code": "360121"}
    plan = await http.post("/verifications/plans", **body)
    assert await planning.run_chunk(world.registry.state.db)
    halfway = next(p for p in (await http.get("/verifications/plans"))["items"] if p["id"] == plan["id"])
    assert halfway["running"] and halfway["planned"] == 2
    await round_of(world)
    listed = await http.get("/verifications", q="断续店", check_class="mismatch", limit=200)
    assert len({row["presence_id"] for row in listed["items"]}) == len(listed["items"]) == 5
    first = await http.get("/verifications", q="断续店", check_class="mismatch", limit=2)
    rest = await http.get(
        "/verifications", q="断续店", check_class="mismatch", limit=10, cursor=first["next_cursor"]
    )
    assert [r["id"] for r in first["items"] + rest["items"]] == [r["id"] for r in listed["items"]]


async def test_results_say_what_became_of_the_shop(world: World) -> None:
    shop = await made(world, "结果店")
    check = await ordered(world, shop)
    twice = await world.at_registry(COUNTY).call(
        "POST", "/verifications", json={"presence_id": shop, "check_class": "dead_link"}
    )
    assert (twice.status_code, twice.json()["code"]) == (409, "verification.open")
    assert {a["action"] for a in check["actions"]} == {"pass", "fail", "unclear"}
    missing = await give(world, check, "fail")
    assert (missing.status_code, missing.json()["code"]) == (422, "workflow.field_missing")
    answers = await asyncio.gather(
        *(give(world, check, "fail", reason="打不开", evidence_id="0" * 26) for _ in range(2))
    )
    assert sorted(a.status_code for a in answers) == [200, 409]
    done = next(a.json() for a in answers if a.status_code == 200)
    assert (done["state"], done["presence_status"], done["standing"]["status"]) == ("failed", "dead", "dead")
    assert [(s["action"], s["verification_id"]) for s in done["standing"]["history"]] == [
        ("lapse", check["id"])
    ]
    again = await ordered(world, shop)
    alive = (await give(world, again, "pass")).json()
    assert (alive["presence_status"], alive["actions"]) == ("active", [])
    over = await give(world, {**again, "version": 2}, "pass")
    assert (over.status_code, over.json()["code"]) == (409, "workflow.illegal_transition")
    other = await ordered(world, shop, "not_ours")
    failed = (await give(world, other, "fail", reason="已迁往外地")).json()
    assert failed["presence_status"] == "active"  # no check weeds or moves by itself
    shown = await world.at_registry(COUNTY).get(f"/verifications/presences/{shop}")
    assert len(shown["checks"]) == 3


async def test_weeding_and_restoring_keep_the_history(world: World) -> None:
    shop, other = await made(world, "剔除店"), await made(world, "剔除店二")
    check = await ordered(world, shop)
    http = world.at_registry(PROVINCE)
    body = {"action": "weed", "ids": [shop, "0" * 26], "reason_code": "dead_link", "reason": "多次打不开"}
    assert (
        await world.at_registry(COUNTY).call("POST", "/verifications/weedings", json=body)
    ).status_code == 403
    seen = await http.post("/verifications/weedings", **body, dry_run=True)
    assert (seen["change"], seen["sample"]) == (1, ["剔除店"])
    assert [(s["code"], s["count"]) for s in seen["skipped"]] == [("request.not_found", 1)]
    assert (await http.get(f"/claims/{shop}"))["status"] == "active"
    for change in (1, 0):  # a second time there is nothing left to do
        assert (await http.post("/verifications/weedings", **body))["change"] == change
    assert (await http.get(f"/verifications/{check['id']}"))["state"] == "cancelled"
    refused = await world.at_registry(COUNTY).call(
        "POST", f"/claims/{shop}/transitions",
        json={"action": "hand_back", "version": 1, "reason_code": "dead_link"},
    )  # fmt: skip
    assert (refused.status_code, refused.json()["code"]) == (409, "claim.settled")
    listed = await world.at_registry(COUNTY).get("/verifications/weedings")
    assert [(r["id"], r["reason_zh"], r["actor"]) for r in listed["items"]] == [(shop, "网址失效", "省")]
    restored = await http.post("/verifications/weedings", action="restore", ids=[shop, other], reason="误剔")
    assert (restored["change"], restored["skipped"][0]["sample"]) == (1, ["剔除店二"])
    standing = await http.get(f"/verifications/presences/{shop}")
    assert [s["action"] for s in standing["history"]] == ["weed", "restore"]
    assert {a["action"] for a in standing["actions"]} == {"weed"}
    for statement in ("UPDATE status_steps SET reason = 'y'", "DELETE FROM status_steps"):
        with pytest.raises(Exception, match="append-only"):
            await sql(world.registry.state.db, statement)


async def test_all_shops_of_a_filter_are_weeded_as_one_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.registry.claims.bulk.CHUNK", 3)
    shops = [await made(world, f"成批剔除店{n}") for n in range(7)]
    check = await ordered(world, shops[0])
    http, stranger = world.at_registry(PROVINCE), world.at_registry(STRANGER)
    await http.post(
        "/verifications/weedings", action="weed", ids=shops[6:], reason_code="closed", reason="先"
    )
    order = {"action": "weed", "reason_code": "dead_link", "reason": "成批核实"}
    selection = {"q": "成批剔除"}
    seen = await http.post("/claims/preview", order=order, selection=selection)
    assert (seen["total"], seen["change"], len(seen["sample"]), seen["skipped"]) == (6, 6, 6, [])
    named = await http.post("/claims/preview", order=order, selection={"ids": shops})
    assert (named["total"], named["change"]) == (7, 6)
    assert [(s["code"], s["count"], s["sample"]) for s in named["skipped"]] == [
        ("claim.standing", 1, ["成批剔除店6"])
    ]
    assert (await http.get(f"/claims/{shops[0]}"))["status"] == "active"  # a preview changes nothing
    body = {"order": order, "selection": selection, "key": "weed-filter-1", "expected": 6}
    # Who may only claim weeds nothing out; whom the shops are hidden from finds none to weed out.
    for path, asked in (("preview", {"order": order, "selection": selection}), ("jobs", body)):
        refused = await world.at_registry(COUNTY).call("POST", f"/claims/{path}", json=asked)
        assert (refused.status_code, refused.json()["code"]) == (403, "identity.forbidden")
    assert (await stranger.post("/claims/preview", order=order, selection=selection))["total"] == 0
    unreasoned = await http.call(
        "POST", "/claims/preview", json={"order": {"action": "weed"}, "selection": selection}
    )
    assert unreasoned.status_code == 422
    over = await finished(world, await http.post("/claims/jobs", **body))
    assert (over["state"], over["done"], over["changed"]) == ("done", 6, 6)
    assert (await http.get(f"/verifications/{check['id']}"))["state"] == "cancelled"
    standing = await http.get(f"/verifications/presences/{shops[1]}")
    assert [(s["action"], s["reason"]) for s in standing["history"]] == [("weed", "成批核实")]
    # Nothing is left to do, and who has not seen that is told.
    assert (await http.post("/claims/preview", order=order, selection=selection))["total"] == 0
    again = await http.call("POST", "/claims/jobs", json={**body, "key": "weed-filter-2"})
    assert (again.status_code, again.json()["code"]) == (409, "claim.preview_stale")
    back = {
        "order": {"action": "restore", "reason": "误剔"},
        "selection": {**selection, "status": "weeded"},
        "key": "restore-filter-1",
        "expected": 7,
    }
    assert (await finished(world, await http.post("/claims/jobs", **back)))["changed"] == 7
    assert (await http.get(f"/claims/{shops[0]}"))["status"] == "active"


async def finished(world: World, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it is over."""
    for _ in range(1_500):
        shown: dict[str, Any] = await world.at_registry(PROVINCE).get(f"/claims/jobs/{job['id']}")
        if shown["state"] not in {"queued", "running"}:
            return shown
        await asyncio.sleep(0.02)
    raise AssertionError(f"not over: {shown}")


async def test_a_second_region_and_a_stranger_see_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await made(world, "外人看不到的店")
    check = await ordered(world, shop, "mismatch")
    stranger = world.at_registry(STRANGER)
    hidden = await stranger.call("GET", f"/verifications/{check['id']}")
    missing = await stranger.call("GET", "/verifications/" + "0" * 26)
    assert hidden.status_code == missing.status_code == 404
    assert {**hidden.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    assert (await give(world, check, "pass", by=STRANGER)).status_code == 404
    assert (await stranger.call("GET", f"/verifications/presences/{shop}")).status_code == 404
    for path in ("/verifications", "/verifications/weedings", "/verifications/plans"):
        assert (await stranger.get(path))["items"] == []
    assert all(c["states"] == {} for c in (await stranger.get("/verifications/counts"))["items"])
    body = {"action": "weed", "ids": [shop], "reason_code": "closed", "reason": "x"}
    assert (await stranger.post("/verifications/weedings", **body))["change"] == 0
    nobody = officer("360121", "无权", frozenset({"clue:read"}))
    assert (await world.at_registry(nobody).call("GET", "/verifications")).status_code == 403
    # Negative control: without the scope the same stranger would see it.
    monkeypatch.setattr(
        "services.registry.verifications.repository.region_filter", lambda column, claims: true()
    )
    assert (await stranger.call("GET", f"/verifications/{check['id']}")).status_code == 200


async def test_a_due_check_goes_with_its_shop(world: World) -> None:
    shop = await made(world, "随迁店")
    check = await ordered(world, shop, "not_ours")
    moved = await world.at_registry(PROVINCE).post(
        f"/claims/{shop}/transitions", action="designate", version=1, org_code="360702-SJ", reason="迁址"
    )
    assert moved["region_code"] == "360702"
    assert (await world.at_registry(COUNTY).call("GET", f"/verifications/{check['id']}")).status_code == 404
    assert (await world.at_registry(STRANGER).get(f"/verifications/{check['id']}"))["region_code"] == "360702"
