"""Jurisdiction over HTTP: matching, offering, claiming, rejecting, many at once, history."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from services.common.identity import Claims
from services.common.settings import Settings
from services.registry.claims.bulk import CHUNK
from tests.records_world import OFFICER, World, officer, running_world, sql
from tests.registry_lists import HEADER, IMPORTER, load

DECIDER = OFFICER | {"registry:claim"}
ASSIGNER = DECIDER | {"registry:assign"}
PROVINCE = officer("360000", "省", ASSIGNER)
CITY = officer("360100", "市", ASSIGNER)
COUNTY = officer("360121", "甲", DECIDER)
COLLEAGUE = officer("360121", "乙", DECIDER)
NEIGHBOUR = officer("360123", "丙", DECIDER)
STRANGER = officer("360702", "丁", DECIDER)
ADDRESS = "江西省南昌市南昌县莲塘镇澄湖路1号"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def made(world: World, name: str, by: Claims = PROVINCE, **more: Any) -> str:
    """A shop entered by an authority: imported, in that authority's hands."""
    given = {"name": name, "channel": "shop", **more}
    return str((await world.at_registry(by).post("/presences", **given))["id"])


async def step(world: World, who: Claims, shop: str, action: str, **more: Any) -> Any:
    http = world.at_registry(who)
    version = more.pop("version", None)
    if version is None:
        version = (await http.get(f"/claims/{shop}"))["version"]
    return await http.call(
        "POST", f"/claims/{shop}/transitions", json={"action": action, "version": version, **more}
    )


async def finished(world: World, who: Claims, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it is over."""
    http = world.at_registry(who)
    for _ in range(1_500):
        shown: dict[str, Any] = await http.get(f"/claims/jobs/{job['id']}")
        if shown["state"] not in {"queued", "running"}:
            return shown
        await asyncio.sleep(0.02)
    raise AssertionError(f"not over: {shown}")


async def test_from_import_to_claim_with_history(world: World) -> None:
    shop = await made(world, "莲塘茶行")
    fresh = await world.at_registry(PROVINCE).get(f"/claims/{shop}")
    assert (fresh["state"], fresh["version"], fresh["authority_code"]) == ("imported", 0, "360000-SJ")
    assert {a["action"] for a in fresh["actions"]} == {"offer", "take", "pool"}
    assert (await world.at_registry(COUNTY).call("GET", f"/claims/{shop}")).status_code == 404

    offered = await step(world, PROVINCE, shop, "offer", org_code="360121-SJ", reason="按地址")
    assert offered.status_code == 200, offered.text
    inbox = await world.at_registry(COUNTY).get("/claims", inbox=True)
    assert [row["id"] for row in inbox["items"]] == [shop]
    shown = await world.at_registry(COUNTY).get(f"/claims/{shop}")
    assert {a["action"] for a in shown["actions"]} == {"claim", "reject"}
    assert {c["code"] for f in shown["actions"][1]["fields"] for c in f["choices"]} == {
        "not_ours", "dead_link", "mismatch", "illegal_site",
    }  # fmt: skip

    claimed = (await step(world, COUNTY, shop, "claim")).json()
    assert (claimed["state"], claimed["authority_code"], claimed["region_code"]) == (
        "claimed", "360121-SJ", "360121",
    )  # fmt: skip
    assert claimed["offered_code"] is None
    assert [(h["version"], h["action"], h["actor"]) for h in claimed["history"]] == [
        (1, "offer", "省"), (2, "claim", "甲"),
    ]  # fmt: skip
    assert claimed["history"][0]["basis"] == "operator_place"
    assert claimed["history"][0]["article"].endswith("（待核）")
    assert [(p["authority_code"], p["until"] is None) for p in claimed["periods"]] == [
        ("360000-SJ", False), ("360121-SJ", True),
    ]  # fmt: skip
    audited = await sql(
        world.registry.state.db, "SELECT event FROM audit WHERE object_id = :id ORDER BY seq", id=shop
    )
    assert [row.event for row in audited if row.event.startswith("claim.")] == ["claim.offer", "claim.claim"]


async def test_rejected_offered_again_and_pooled(world: World) -> None:
    shop = await made(world, "退回一店")
    await step(world, PROVINCE, shop, "offer", org_code="360121-SJ")
    refused = await step(world, COUNTY, shop, "reject")
    assert (refused.status_code, refused.json()["code"]) == (422, "workflow.field_missing")
    rejected = await step(world, COUNTY, shop, "reject", reason_code="not_ours", reason="在进贤")
    assert rejected.json()["state"] == "rejected"
    # It has left the county's sight with the county's own step.
    assert (await world.at_registry(COUNTY).call("GET", f"/claims/{shop}")).status_code == 404
    back = await world.at_registry(PROVINCE).get(f"/claims/{shop}")
    assert (back["authority_code"], back["history"][-1]["reason_zh"]) == ("360000-SJ", "不在辖区")
    again = await step(world, PROVINCE, shop, "reoffer", org_code="360123-SJ")
    assert again.json()["state"] == "reoffered"
    assert (await step(world, NEIGHBOUR, shop, "claim", version=again.json()["version"])).status_code == 200
    other = await made(world, "入池一店")
    pooled = await step(world, PROVINCE, other, "pool", reason="地址不明")
    assert pooled.json()["state"] == "pool"


async def test_an_illegal_step_names_the_legal_ones(world: World) -> None:
    shop = await made(world, "不合流程")
    answer = await step(world, PROVINCE, shop, "claim")
    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "workflow.illegal_transition")
    assert {a["action"] for a in body["allowed"]} >= {"offer", "pool", "take"}
    for action in ("match", "propose"):
        assert (await step(world, PROVINCE, shop, action)).json()["code"] == "claim.by_machine"
    assert (await step(world, officer("360000", "看"), shop, "pool", reason="x")).status_code == 403


async def test_two_officers_at_once_one_wins(world: World) -> None:
    shop = await made(world, "两人同办")
    offer = (await step(world, PROVINCE, shop, "offer", org_code="360121-SJ")).json()
    version = offer["version"]
    answers = await asyncio.gather(
        step(world, COUNTY, shop, "claim", version=version),
        step(world, COLLEAGUE, shop, "claim", version=version),
        step(world, COLLEAGUE, shop, "claim", version=version),
    )
    assert sorted(a.status_code for a in answers) == [200, 409, 409]
    late = next(a.json() for a in answers if a.status_code == 409)
    assert (late["code"], late["state"], late["version"]) == ("workflow.stale", "claimed", version + 1)
    assert {a["action"] for a in late["allowed"]} == {"hand_back"}
    assert len((await world.at_registry(COUNTY).get(f"/claims/{shop}"))["history"]) == version + 1


async def test_addresses_are_matched_and_offered_in_bulk(world: World) -> None:
    await made(world, "匹配甲", address=ADDRESS)
    await made(world, "匹配乙", address="南昌县莲塘镇向阳路2号")
    await made(world, "匹配丙", address="某地")
    http = world.at_registry(PROVINCE)
    job = await http.post("/claims/matching", key="matching-1")
    over = await finished(world, PROVINCE, job)
    assert over["state"] == "done" and over["changed"] >= 2, over
    rows = {r["name"]: r for r in (await http.get("/claims", q="匹配", limit=200))["items"]}
    assert (rows["匹配甲"]["state"], rows["匹配甲"]["match_code"]) == ("matched", "360121-SJ")
    assert (rows["匹配乙"]["state"], rows["匹配乙"]["match_code"]) == ("candidate", "360121-SJ")
    assert rows["匹配丙"]["state"] == "imported"

    order = {"action": "offer", "as_matched": True}
    selection = {"q": "匹配"}
    seen = await http.post("/claims/preview", order=order, selection=selection)
    assert (seen["total"], seen["change"], seen["by_authority"]) == (3, 2, {"360121-SJ": 2})
    assert [(s["code"], s["count"], s["sample"]) for s in seen["skipped"]] == [
        ("claim.no_match", 1, ["匹配丙"])
    ]
    body = {"order": order, "selection": selection, "key": "offer-matched-1", "expected": 3}
    first, second = await http.post("/claims/jobs", **body), await http.post("/claims/jobs", **body)
    assert first["id"] == second["id"]
    over = await finished(world, PROVINCE, first)
    assert (over["done"], over["changed"], over["skipped"][0]["code"]) == (3, 2, "claim.no_match")
    # Ordered again under another name it finds nothing left to do: no second step, no second offer.
    again = await http.post("/claims/jobs", **{**body, "key": "offer-matched-2"})
    assert (await finished(world, PROVINCE, again))["changed"] == 0
    steps = await sql(
        world.registry.state.db,
        "SELECT count(*) FROM claim_steps s JOIN presences p ON p.no = s.presence_no"
        " WHERE p.name LIKE '匹配%' AND s.action = 'offer'",
    )
    assert steps[0][0] == 2


async def test_bulk_claim_and_what_is_skipped(world: World) -> None:
    mine = [await made(world, f"批量认领{n}") for n in range(3)]
    other = await made(world, "批量认领别家")
    for shop in mine[:2]:
        await step(world, PROVINCE, shop, "offer", org_code="360121-SJ")
    await step(world, PROVINCE, other, "offer", org_code="360123-SJ")
    http = world.at_registry(COUNTY)
    seen = await http.post("/claims/preview", order={"action": "claim"}, selection={"ids": [*mine, other]})
    assert (seen["total"], seen["change"]) == (2, 2)  # what it may not see is not counted either
    job = await http.post(
        "/claims/jobs", order={"action": "claim"}, selection={"ids": mine}, key="claim-bulk-1"
    )
    assert (await finished(world, COUNTY, job))["changed"] == 2
    stale = await http.call(
        "POST",
        "/claims/jobs",
        json={"order": {"action": "claim"}, "selection": {"ids": mine}, "key": "claim-bulk-2", "expected": 9},
    )
    assert (stale.status_code, stale.json()["code"]) == (409, "claim.preview_stale")
    pooling = {"order": {"action": "pool", "reason": "x"}, "selection": {"ids": mine}}
    refused = await http.call("POST", "/claims/preview", json=pooling)
    assert (refused.status_code, refused.json()["code"]) == (403, "identity.forbidden")
    empty = await http.call("POST", "/claims/preview", json={"order": {"action": "claim"}, "selection": {}})
    assert empty.status_code == 422


async def test_a_job_goes_on_where_it_was_cut_and_can_be_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.registry.claims.bulk.CHUNK", 4)
    assert CHUNK > 4
    for n in range(10):
        await made(world, f"续办{n}")
    jobs = world.registry.state.claim_jobs
    await jobs.stop()
    http = world.at_registry(PROVINCE)
    body = {"order": {"action": "pool", "reason": "续办"}, "selection": {"q": "续办"}, "expected": 10}
    job = await http.post("/claims/jobs", **body, key="resumed-1")
    from services.registry.claims import bulk

    async def dies(*_: Any) -> Any:
        raise RuntimeError("cut")

    assert await bulk.run_chunk(world.registry.state.db, jobs._chunk, jobs._settling)
    with pytest.raises(RuntimeError, match="cut"):
        await bulk.run_chunk(world.registry.state.db, dies, jobs._settling)
    halfway = await http.get(f"/claims/jobs/{job['id']}")
    assert (halfway["state"], halfway["done"], halfway["changed"]) == ("running", 4, 4)
    jobs.start()
    over = await finished(world, PROVINCE, job)
    assert (over["state"], over["done"], over["changed"]) == ("done", 10, 10)
    doubled = await sql(
        world.registry.state.db,
        "SELECT presence_no FROM claim_steps WHERE job_id = :id GROUP BY 1 HAVING count(*) > 1",
        id=job["id"],
    )
    assert doubled == []
    await jobs.stop()
    order = {"order": {"action": "reoffer", "org_code": "360121-SJ"}, "selection": {"q": "续办"}}
    stopped = await http.post("/claims/jobs", **order, key="stopped-1")
    assert (await http.post(f"/claims/jobs/{stopped['id']}/cancellation"))["state"] == "cancelled"
    again = await http.call("POST", f"/claims/jobs/{stopped['id']}/cancellation")
    assert (again.status_code, again.json()["code"]) == (409, "claim.job_over")
    jobs.start()
    assert not await bulk.run_chunk(world.registry.state.db, jobs._chunk, jobs._settling)


async def test_counts_by_region_and_state(world: World) -> None:
    shop = await made(world, "计数店", by=officer("360281", "乐平", DECIDER))
    http = world.at_registry(officer("360281", "乐平", DECIDER))
    shown = await http.get("/claims/counts")
    assert shown["items"] == [{"region_code": "360281", "state": "imported", "count": 1}]
    assert shown["states"][0]["code"] == "imported"
    taken = await step(world, officer("360281", "乐平", DECIDER), shop, "take", basis="operator_place")
    assert taken.json()["state"] == "claimed"
    assert (await http.get("/claims/counts"))["items"][0]["state"] == "claimed"


async def test_a_list_imported_again_does_not_move_what_was_decided(world: World) -> None:
    lister = officer("360000", "导入", IMPORTER)
    rows = [f"{n},重报店{n},,,,{ADDRESS},,," for n in range(2)]
    await load(world, lister, "\n".join([HEADER, *rows]))
    shops = {r["name"]: r for r in (await world.at_registry(PROVINCE).get("/claims", q="重报店"))["items"]}
    assert {r["region_code"] for r in shops.values()} == {"360121"}  # where the address says
    decided = shops["重报店0"]["id"]
    await step(world, PROVINCE, decided, "offer", org_code="360123-SJ")
    moved = [row.replace("南昌市南昌县", "赣州市章贡区") for row in rows]
    assert (await load(world, lister, "\n".join([HEADER, *moved])))["updated"] == 2
    shops = {r["name"]: r for r in (await world.at_registry(PROVINCE).get("/claims", q="重报店"))["items"]}
    assert (shops["重报店0"]["region_code"], shops["重报店0"]["state"]) == ("360123", "offered")
    assert shops["重报店1"]["region_code"] == "360702"


async def test_the_history_cannot_be_changed(world: World) -> None:
    shop = await made(world, "不可改")
    await step(world, PROVINCE, shop, "pool", reason="x")
    for statement in (
        "UPDATE claim_steps SET reason = 'y'",
        "DELETE FROM claim_steps",
        "TRUNCATE claim_steps",
    ):
        with pytest.raises(Exception, match="append-only"):
            await sql(world.registry.state.db, statement)
