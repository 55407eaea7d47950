"""Custody against those who can write to the database; proofs, prints; and grants that end."""

import asyncio
import base64
import dataclasses
import hashlib
import json
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.common.outbox import Event
from services.evidence.custody.rules import log_entry
from services.evidence.grants.events import granted, linked, transferred, withdrawn
from tests.evidence_stack import OFFICER, own_home, remove, running

OTHER = dataclasses.replace(
    OFFICER, sub="u-other", name="王外地", org="360702-SJ", org_name="章贡区市场监督管理局", region="360702"
)
PERSON = {**OFFICER.whole_actor, "client_ip": "192.0.2.9"}


@pytest.fixture(scope="module")
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


async def sealed(stack) -> str:
    item = str((await stack.submit())["id"])
    await custody(stack, item)
    await settled(stack, item)
    return item


async def custody(stack, item: str, claims=OFFICER) -> dict[str, Any]:
    answer = await stack.get(f"/evidence/{item}/custody", claims)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def settled(stack, item: str) -> dict[str, Any]:
    """The chain once every event has its leaf."""
    for _ in range(300):
        found = await custody(stack, item)
        if found["chain"]["verdict"] != "waiting":
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(found["chain"])


async def as_superuser(stack, statement: str, **values: Any) -> None:
    """What a database administrator can do: triggers switched off."""
    async with stack.runtime.database.transaction() as session:
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        await session.execute(text(statement), values)


async def post(stack, path: str, claims=OFFICER, **body: Any) -> Any:
    return await stack.client.post(path, json=body, headers=stack.headers(claims))


async def test_an_untouched_chain_is_intact_to_the_last_event(stack) -> None:
    found = await settled(stack, await sealed(stack))
    assert found["chain"]["verdict"] == "intact"
    assert found["chain"]["expected"] == len(found["events"])
    assert {(e["verdict"], e["leaf"], e["link"]) for e in found["events"]} == {("intact", "logged", "ok")}
    assert len({e["log_index"] for e in found["events"]}) == len(found["events"])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody_events SET reason = 'x' WHERE evidence_id = :item AND seq = 3",
        "DELETE FROM custody_events WHERE evidence_id = :item AND seq = 3",
        "TRUNCATE custody_events",
    ],
)
async def test_the_triggers_stop_everyone_who_leaves_them_on(stack, statement: str) -> None:
    item = await sealed(stack)
    with pytest.raises(DBAPIError, match="history"):
        async with stack.runtime.database.transaction() as session:
            await session.execute(text(statement), {"item": item} if ":item" in statement else {})
    assert (await custody(stack, item))["chain"]["verdict"] == "intact"


ALTERED = {
    "who": ('UPDATE custody_events SET actor = \'{"sub": "u-x", "name": "别人"}\'', "columns"),
    "why": ("UPDATE custody_events SET reason = '别的事由'", "columns"),
    "when": ("UPDATE custody_events SET at = at - interval '1 day'", "columns"),
    "from where": ("UPDATE custody_events SET client_ip = '192.0.2.1'", "columns"),
    "what": ("UPDATE custody_events SET event = 'hashed'", "columns"),
    "about": ('UPDATE custody_events SET about = \'{"path": "x"}\'', "columns"),
    "record": ("UPDATE custody_events SET document = :forged", "leaf_differs"),
}


@pytest.mark.parametrize("name", ALTERED)
async def test_an_administrator_who_alters_a_record_is_named_by_it(stack, name: str) -> None:
    item = await sealed(stack)
    statement, code = ALTERED[name]
    before = (await record_of(stack, item, 4)).document
    forged = json.dumps(json.loads(before) | {"reason": "伪造"}, ensure_ascii=False).encode()
    values = {"forged": forged} if ":forged" in statement else {}
    await as_superuser(stack, f"{statement} WHERE evidence_id = :item AND seq = 4", item=item, **values)
    found = await custody(stack, item)
    assert found["chain"]["verdict"] == "altered" and found["chain"]["altered"] == [4]
    (event,) = [e for e in found["events"] if e["seq"] == 4]
    assert code in {fault["code"] for fault in event["faults"]}
    assert all(fault["zh"] and fault["en"] for fault in event["faults"])
    if name == "record":
        refused = await stack.get(f"/evidence/{item}/custody/4/proof")
        assert (refused.status_code, refused.json()["code"]) == (409, "custody.altered")


async def test_altering_the_record_and_its_queued_entry_together_does_not_help(stack) -> None:
    item = await sealed(stack)
    row = await record_of(stack, item, 4)
    forged = json.dumps(json.loads(row.document) | {"reason": "伪造"}, ensure_ascii=False).encode()
    await as_superuser(
        stack,
        "UPDATE custody_events SET document = :forged, reason = '伪造' WHERE id = :id",
        forged=forged,
        id=row.id,
    )
    await as_superuser(
        stack,
        "UPDATE log_entries SET entry = :entry WHERE ref = :ref",
        entry=log_entry(forged),
        ref=f"custody:{row.id}",
    )
    found = await custody(stack, item)
    assert found["chain"]["altered"] == [4]
    await as_superuser(
        stack,
        "UPDATE log_entries SET entry = :entry WHERE ref = :ref",
        entry=log_entry(row.document),
        ref=f"custody:{row.id}",
    )


async def test_removed_records_show_as_gaps_in_the_middle_and_at_the_end(stack) -> None:
    item = await sealed(stack)
    count = len((await custody(stack, item))["events"])
    await as_superuser(
        stack,
        "DELETE FROM custody_events WHERE evidence_id = :item AND seq IN (4, 5, :last)",
        item=item,
        last=count,
    )
    found = await custody(stack, item)
    assert (found["chain"]["verdict"], found["chain"]["missing"]) == ("gap", [4, 5, count])
    (after,) = [e for e in found["events"] if e["seq"] == 6]
    assert (after["verdict"], after["link"], after["missing_before"]) == ("gap", "gap", 2)


async def record_of(stack, item: str, seq: int) -> Any:
    from services.evidence.custody import repository

    async with stack.runtime.database.transaction() as session:
        return {row.seq: row for row in await repository.of_item(session, item)}[seq]


async def test_a_proof_carries_the_record_its_entry_and_a_cosigned_inclusion(stack) -> None:
    item = await sealed(stack)
    answer = await stack.get(f"/evidence/{item}/custody/1/proof")
    assert answer.status_code == 200
    proof = answer.json()
    assert proof["schema"] == "urn:wangjian:custody-proof:v1"
    document, entry = base64.b64decode(proof["document"]), base64.b64decode(proof["entry"])
    assert json.loads(entry)["event_sha256"] == hashlib.sha256(document).hexdigest()
    assert json.loads(document)["evidence_id"] == item
    assert proof["proof"].startswith("c2sp.org/tlog-proof@v1\n")
    assert "attachment" in answer.headers["content-disposition"]
    missing = await stack.get(f"/evidence/{item}/custody/999/proof")
    assert missing.status_code == 404


async def test_a_print_is_on_record_before_it_is_on_paper(stack) -> None:
    item = await sealed(stack)
    answer = await post(stack, f"/evidence/{item}/custody/printed", reason="入卷存档")
    assert answer.status_code == 200
    printed = answer.json()
    last = printed["custody"]["events"][-1]
    assert (last["seq"], last["event"], last["reason"]) == (printed["seq"], "printed", "入卷存档")
    assert printed["by"]["name"] == OFFICER.name


async def tell(stack, handler, topic: str, item: str, **payload: Any) -> None:
    facts = {"evidence_id": item, "org_code": OTHER.org, "basis": "clue:A", "actor": PERSON, **payload}
    async with stack.runtime.database.transaction() as session:
        await handler(session, Event("e", f"evidence.{topic}", "casework", facts))


async def status(stack, item: str) -> int:
    return int((await stack.get(f"/evidence/{item}", OTHER)).status_code)


async def test_a_grant_that_is_withdrawn_ends_and_says_so(stack) -> None:
    item = await sealed(stack)
    await tell(stack, granted, "granted", item, version=2, reason="线索 甲 分派")
    assert await status(stack, item) == 200
    await tell(stack, withdrawn, "withdrawn", item, version=5, reason="线索 甲 改派")
    paths = ("", "/custody", "/artefacts/evidence/page.png", "/package?reason=x", "/custody/1/proof")
    for path in paths:
        assert (await stack.get(f"/evidence/{item}{path}", OTHER)).status_code == 404, path
    for path in ("/verification", "/custody/printed", "/custody/1/verification"):
        assert (await post(stack, f"/evidence/{item}{path}", OTHER, reason="x")).status_code == 404, path
    assert (await stack.get("/evidence", OTHER)).json()["items"] == []
    events = [e for e in (await settled(stack, item))["events"] if e["event"].startswith("grant")]
    assert [(e["event"], e["about"], e["via"]) for e in events] == [
        ("granted", {"to": OTHER.org}, "casework"),
        ("grant_withdrawn", {"from": OTHER.org}, "casework"),
    ]
    assert all(e["actor"]["name"] == OFFICER.name and e["client_ip"] == "192.0.2.9" for e in events)
    await tell(stack, granted, "granted", item, version=6)
    assert await status(stack, item) == 200


async def test_without_a_withdrawal_the_grant_stays(stack) -> None:
    """Negative control of the refusals above."""
    item = await sealed(stack)
    await tell(stack, granted, "granted", item, version=2)
    await tell(stack, withdrawn, "withdrawn", item, version=5, org_code="360403-SJ")
    assert await status(stack, item) == 200


async def test_losing_one_ground_leaves_the_other(stack) -> None:
    item = await sealed(stack)
    await tell(stack, granted, "granted", item, version=2)
    await tell(stack, granted, "granted", item, version=2, basis="clue:B")
    await tell(stack, withdrawn, "withdrawn", item, version=3)
    assert await status(stack, item) == 200
    await tell(stack, withdrawn, "withdrawn", item, version=3, basis="clue:B")
    assert await status(stack, item) == 404
    names = [e["event"] for e in (await custody(stack, item))["events"]]
    assert (names.count("granted"), names.count("grant_withdrawn")) == (1, 1)


async def test_facts_that_overtake_each_other_end_the_same(stack) -> None:
    item = await sealed(stack)
    await tell(stack, withdrawn, "withdrawn", item, version=5)
    await tell(stack, granted, "granted", item, version=2)
    assert await status(stack, item) == 404
    assert "granted" not in [e["event"] for e in (await custody(stack, item))["events"]]


async def test_a_grant_from_before_grounds_were_named_can_be_withdrawn(stack) -> None:
    item = await sealed(stack)
    old = {"evidence_id": item, "org_code": OTHER.org, "reason": "线索 甲 分派"}
    async with stack.runtime.database.transaction() as session:
        await granted(session, Event("e", "evidence.granted", "casework", old))
    assert await status(stack, item) == 200
    await tell(stack, withdrawn, "withdrawn", item, version=5)
    assert await status(stack, item) == 404


async def test_links_and_handovers_name_the_person_and_unknown_items_hold_nothing_up(stack) -> None:
    item = await sealed(stack)
    await tell(stack, linked, "linked", item, reason="线索 甲 附证")
    await tell(stack, transferred, "transferred", item, from_org="360121-SJ", to_org="360702-SJ")
    for handler in (linked, transferred, granted, withdrawn):
        await tell(stack, handler, "any", "0" * 26, from_org="a", to_org="b", version=1)
    one, two = (await custody(stack, item))["events"][-2:]
    assert (one["event"], one["actor"]["sub"], one["reason"]) == ("linked", OFFICER.sub, "线索 甲 附证")
    assert (two["event"], two["about"]) == ("transferred", {"from": "360121-SJ", "to": "360702-SJ"})
