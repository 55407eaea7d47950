"""Reading evidence: what the screens get, who may see what, and the custody events reading leaves."""

import asyncio
import dataclasses
import hashlib
import json

import pytest

from services.common.outbox import Event
from services.evidence.custody import repository as custody_repository
from services.evidence.grants.events import granted, linked
from services.evidence.log.merkle import leaf_hash
from services.evidence.log.tiles import tile_path
from services.evidence.objects.disk import object_path
from tests.evidence_samples import sample_artefacts
from tests.evidence_stack import OFFICER, own_home, remove, running

OTHER = dataclasses.replace(OFFICER, sub="u-other", name="王外地", org="360702-SJ", region="360702")
PROVINCE = dataclasses.replace(OFFICER, sub="u-prov", name="省局", org="360000-SJ", region="360000")


@pytest.fixture(scope="module")
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


@pytest.fixture(scope="module")
async def sealed(stack):
    return await stack.submit()


async def events(stack, evidence_id: str, claims=OFFICER) -> list[dict]:
    return (await stack.get(f"/evidence/{evidence_id}/custody", claims)).json()["events"]


async def logged(stack, evidence_id: str) -> list[dict]:
    """The events once each has its leaf in the log, and the leaves are published; at most half a minute."""
    for _ in range(300):
        found = await events(stack, evidence_id)
        if all(event["log_index"] is not None for event in found):
            await stack.runtime.log.flush()
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(found)


async def test_detail_has_facts_artefacts_and_seals(stack, sealed):
    item = (await stack.get(f"/evidence/{sealed['id']}")).json()
    assert item["evidence_no"] == sealed["evidence_no"]
    assert item["package"]["sha256"] == sealed["package_sha256"]
    assert item["facts"]["dns"][0]["name"] == "shop.test"
    assert item["facts"]["clock"]["state"] == "unsynchronised"
    assert len(item["artefacts"]) == len(sample_artefacts())
    assert [s["by"] for s in item["seals"]["signatures"]] == ["capture-worker", "sealing-service"]
    assert item["seals"]["timestamp"]["operator"] == "wangjian-development"
    assert item["seals"]["log"]["tree_size"] > item["seals"]["log"]["index"]
    assert item["seals"]["custodian"]["verdict"] == "VALID"
    assert item["ordered_by"]["name"] == "李取证"


async def test_list_searches_and_pages(stack, sealed):
    more = [await stack.submit() for _ in range(2)]
    first = (await stack.get("/evidence", params={"limit": 2})).json()
    assert [item["id"] for item in first["items"]] == [more[1]["id"], more[0]["id"]]
    second = (await stack.get("/evidence", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert second["items"][0]["id"] == sealed["id"]
    found = (await stack.get("/evidence", params={"q": sealed["evidence_no"][-8:]})).json()
    assert [item["id"] for item in found["items"]] == [sealed["id"]]
    assert (await stack.get("/evidence", params={"q": "100%_"})).json()["items"] == []
    assert (await stack.get("/evidence", params={"outcome": "FAILED"})).json()["items"] == []
    assert (await stack.get("/evidence", params={"outcome": "x"})).status_code == 422


async def test_other_regions_see_nothing_until_granted(stack):
    sealed = await stack.submit()
    base = f"/evidence/{sealed['id']}"
    for path in (base, f"{base}/artefacts/evidence/page.png", f"{base}/custody", f"{base}/package?reason=x"):
        assert (await stack.get(path, OTHER)).status_code == 404, path
        assert (await stack.get(path, PROVINCE)).status_code == 200, path
    post = await stack.client.post(f"{base}/verification", headers=stack.headers(OTHER))
    assert post.status_code == 404
    payload = {"evidence_id": sealed["id"], "org_code": "360702-SJ", "reason": "CL-1"}
    async with stack.runtime.database.transaction() as session:
        await granted(session, Event("e1", "evidence.granted", "casework", payload))
        await granted(session, Event("e2", "evidence.granted", "casework", payload))
        await linked(session, Event("e3", "evidence.linked", "casework", payload))
    async with stack.runtime.database.transaction() as session:
        await linked(session, Event("e4", "evidence.linked", "casework", payload | {"evidence_id": "0" * 26}))
    assert (await stack.get(base, OTHER)).status_code == 200
    listed = (await stack.get("/evidence", OTHER)).json()["items"]
    assert [item["id"] for item in listed] == [sealed["id"]]
    names = [event["event"] for event in await events(stack, sealed["id"])]
    assert names.count("granted") == 1
    assert "linked" in names


async def test_permissions(stack, sealed):
    nobody = dataclasses.replace(OFFICER, permissions=frozenset())
    reader = dataclasses.replace(OFFICER, permissions=frozenset({"evidence:read"}))
    base = f"/evidence/{sealed['id']}"
    for path in ("/evidence", base, f"{base}/custody", f"{base}/artefacts/evidence/page.png"):
        assert (await stack.get(path, nobody)).status_code == 403
        assert (await stack.client.get(path)).status_code == 401
    assert (await stack.get(f"{base}/package?reason=x", reader)).status_code == 403


async def test_artefacts_are_served_safely(stack, sealed):
    base, artefacts = f"/evidence/{sealed['id']}/artefacts", sample_artefacts()
    for path, shown in (
        ("evidence/page.png", "image/png"),
        ("evidence/text.txt", "text/plain; charset=utf-8"),
        ("evidence/dom.html", None),
        ("pages/pages.jsonl", None),
    ):
        response = await stack.get(f"{base}/{path}")
        assert response.content == artefacts[path]
        assert response.headers["content-type"] == (shown or "application/octet-stream")
        disposition = response.headers["content-disposition"]
        assert disposition.startswith("inline" if shown else "attachment"), path
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-security-policy"].startswith("sandbox")
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert response.headers["x-sha256"] == hashlib.sha256(artefacts[path]).hexdigest()
    for path in ("evidence/none.png", "evidence/manifest.dsse.json", "../../../etc/passwd"):
        assert (await stack.get(f"{base}/{path}")).status_code == 404


async def test_a_damaged_or_lost_object_is_an_error_and_not_an_empty_file(stack):
    artefacts = sample_artefacts({"evidence/only-here.txt": b"only here"})
    sealed = await stack.submit(artefacts)
    sha256 = hashlib.sha256(b"only here").hexdigest()
    file = object_path(stack.runtime.store.root, sha256)
    file.unlink()
    lost = await stack.get(f"/evidence/{sealed['id']}/artefacts/evidence/only-here.txt")
    assert (lost.status_code, lost.json()["code"]) == (500, "evidence.store_damaged")


async def test_one_screen_view_is_one_event_by_person(stack):
    sealed = await stack.submit()
    base = f"/evidence/{sealed['id']}"
    await asyncio.gather(
        stack.get(base), *(stack.get(f"{base}/artefacts/{path}") for path in sample_artefacts())
    )
    await stack.get(base, PROVINCE)
    views = [event for event in await events(stack, sealed["id"]) if event["event"] == "viewed"]
    assert [view["actor"]["sub"] for view in views] == ["u-officer", "u-prov"]


async def test_export_needs_a_reason_and_leaves_an_event(stack):
    sealed = await stack.submit()
    path = f"/evidence/{sealed['id']}/package"
    for reason in ("", "   "):
        response = await stack.get(path, params={"reason": reason})
        assert (response.status_code, response.json()["code"]) == (422, "evidence.reason_missing")
    response = await stack.get(path, params={"reason": "移送法院"})
    assert hashlib.sha256(response.content).hexdigest() == sealed["package_sha256"]
    assert response.headers["content-disposition"] == f'attachment; filename="{sealed["evidence_no"]}.wacz"'
    exported = [event for event in await events(stack, sealed["id"]) if event["event"] == "exported"]
    assert [event["reason"] for event in exported] == ["移送法院"]


async def test_custody_is_dense_chained_and_in_the_log(stack):
    sealed = await stack.submit()
    await stack.get(f"/evidence/{sealed['id']}")
    found = await logged(stack, sealed["id"])
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))
    assert [event["event"] for event in found] == [
        "captured", "hashed", "signed", "stamped", "logged", "replicated", "sealed", "viewed",
    ]  # fmt: skip
    assert all(event["log_index"] is not None and event["zh"] and event["en"] for event in found)
    async with stack.runtime.database.transaction() as session:
        rows = await custody_repository.of_item(session, sealed["id"])
    previous = ""
    for row in rows:
        document = json.loads(row.document)
        assert document["previous_sha256"] == previous
        previous = hashlib.sha256(row.document).hexdigest()


async def test_custody_log_index_points_at_the_events_leaf(stack, sealed):
    found = (await logged(stack, sealed["id"]))[0]
    async with stack.runtime.database.transaction() as session:
        row = (await custody_repository.of_item(session, sealed["id"]))[0]
    from services.evidence.custody.rules import log_entry

    index, size = found["log_index"], stack.runtime.log.size
    width = min(256, size - index // 256 * 256)
    tile = await stack.client.get(f"/log/tile/{tile_path(0, index // 256, width)}")
    assert tile.status_code == 200
    at = index % 256 * 32
    assert tile.content[at : at + 32] == leaf_hash(log_entry(row.document))


async def test_the_log_is_public_and_only_the_log(stack, sealed):
    checkpoint = await stack.client.get("/log/checkpoint")
    assert checkpoint.text.startswith(stack.runtime.log.origin + "\n")
    for path in ("0/999", "%2e%2e/checkpoint", "0/000/%2e%2e/%2e%2e/x", "x"):
        assert (await stack.client.get(f"/log/tile/{path}")).status_code == 404


async def test_verification_and_trust(stack, sealed):
    response = await stack.client.post(
        f"/evidence/{sealed['id']}/verification", headers=stack.headers(OFFICER)
    )
    report = response.json()
    assert report["verdict"] == "VALID"
    assert report["package"]["sm3"] == sealed["package_sm3"]
    assert report["trust"]["development"] is True
    trust = (await stack.client.get("/trust")).json()
    assert "DEVELOPMENT" in trust["label"]["en"]
    assert "PRIVATE" not in json.dumps(trust)


async def test_health_tells_of_store_and_log(stack):
    report = (await stack.client.get("/health/ready")).json()
    assert report["status"] == "ready"
    assert report["checks"]["log"]["size"] == stack.runtime.log.size
