"""Clues and cases over HTTP: the whole way, every refusal, numbers, limits, grants, and two at once."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from infra.embedded.redis import EmbeddedRedis
from services.common.identity import Claims
from services.common.outbox import relay
from services.common.settings import Settings
from tests.records_world import OFFICER, World, officer, running_world, sql

NANCHANG, ZHANGGONG = officer("360121"), officer("360702", "韩梅")
PROVINCE = officer("360000", "王省")


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings],
    token_for: Callable[[Claims], dict[str, str]],
    redis: EmbeddedRedis,
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def new_clue(world: World, claims: Claims = NANCHANG, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"title": "某茶行虚构交易", "url": "https://shop.example.cn/1", **changes}
    clue: dict[str, Any] = await world.at_casework(claims).post("/clues", **body)
    return clue


async def step(
    world: World, claims: Claims, clue: dict[str, Any], action: str, **more: Any
) -> dict[str, Any]:
    path = f"/clues/{clue['id']}/transitions"
    moved: dict[str, Any] = await world.at_casework(claims).post(
        path, action=action, version=clue["version"], **more
    )
    return moved


async def refused(
    world: World, claims: Claims, kind: str, row: dict[str, Any], **body: Any
) -> dict[str, Any]:
    answer = await world.at_casework(claims).call(
        "POST", f"/{kind}/{row['id']}/transitions", json={"version": row["version"], **body}
    )
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document: dict[str, Any] = answer.json()
    return document


def actions(row: dict[str, Any]) -> list[str]:
    return [a["action"] for a in row["actions"]]


async def test_an_inbox_holds_what_was_assigned_to_that_organisation(world: World) -> None:
    clue = await step(world, NANCHANG, await new_clue(world), "assign", org_code="360702-SJ")

    async def inbox(claims: Claims, org: str) -> list[str]:
        page = await world.at_casework(claims).get(f"/clues?state=assigned&assigned_org={org}")
        return [row["id"] for row in page["items"]]

    assert clue["id"] in await inbox(ZHANGGONG, "360702-SJ")
    assert clue["id"] in await inbox(NANCHANG, "360702-SJ")
    assert clue["id"] not in await inbox(NANCHANG, "360121-SJ")
    assert clue["id"] not in await inbox(officer("360403"), "360702-SJ")


async def test_from_evidence_to_a_closed_case(world: World) -> None:
    evidence = [world.evidence.add("360121"), world.evidence.add("360121")]
    clue = await new_clue(world, evidence_ids=evidence, subject_name="赣味茶行", violation_code="brush.sales")
    assert clue["state"] == "new" and clue["state_zh"] == "新建" and clue["version"] == 1
    assert clue["clue_no"].startswith("赣市监南昌县线〔")
    assert clue["evidence_ids"] == evidence and clue["evidence"][0]["sha256"] == "ab" * 32
    assert actions(clue) == ["assign", "dismiss"]
    assert clue["deadline"]["rule"] == "clue.check" and clue["deadline"]["verified"] is False
    assert clue["deadline"]["working_days_left"] == 15 and not clue["deadline"]["overdue"]

    handed = await step(world, NANCHANG, clue, "assign", org_code="360702-SJ", reason="实际经营地在章贡区")
    assert handed["state"] == "assigned" and handed["assigned_org_name"] == "章贡区市场监督管理局"
    assert actions(handed) == []

    at_zhanggong = await world.at_casework(ZHANGGONG).get(f"/clues/{clue['id']}")
    assert actions(at_zhanggong) == ["sign", "return"]
    signed = await step(world, ZHANGGONG, at_zhanggong, "sign")
    assert signed["signed_at"] and actions(signed) == ["file", "decline"]
    filed = await step(world, ZHANGGONG, signed, "file", reason="有初步证据")
    assert filed["state"] == "filed" and filed["deadline"] is None and filed["case_no"]

    case = await world.at_casework(ZHANGGONG).get(f"/cases/{filed['case_id']}")
    assert case["case_no"].startswith("赣市监章贡区立〔") and case["clue_no"] == clue["clue_no"]
    assert case["evidence_ids"] == evidence
    assert case["evidence"] == filed["evidence"] == clue["evidence"]
    assert (case["deadline"]["rule"], case["deadline"]["verified"]) == ("case.decision", True)
    for action, state in (("investigate", "investigating"), ("conclude", "concluded"), ("close", "closed")):
        assert actions(case) == [action]
        case = await world.at_casework(ZHANGGONG).post(
            f"/cases/{case['id']}/transitions", action=action, version=case["version"], reason="依法办理"
        )
        assert case["state"] == state
    assert case["closed_at"] and case["deadline"] is None and actions(case) == []
    assert [h["to_state"] for h in case["history"]] == ["filed", "investigating", "concluded", "closed"]

    seen_by_finder = await world.at_casework(NANCHANG).get(f"/clues/{clue['id']}")
    assert [h["action"] for h in seen_by_finder["history"]] == ["create", "assign", "sign", "file"]
    assert seen_by_finder["history"][1]["reason"] == "实际经营地在章贡区"
    assert seen_by_finder["case_no"] == filed["case_no"] and seen_by_finder["case_id"] is None


async def test_assignment_lets_the_receiver_see_the_evidence(world: World) -> None:
    evidence = world.evidence.add("360121")
    clue = await new_clue(world, evidence_ids=[evidence])
    await relay(world.casework.state.db, world.settings, "casework")
    assert not [g for g in world.evidence.grants if g["evidence_id"] == evidence]
    await step(world, NANCHANG, clue, "assign", org_code="360702-SJ")
    while await relay(world.casework.state.db, world.settings, "casework"):
        pass
    (grant,) = [g for g in world.evidence.grants if g["evidence_id"] == evidence]
    assert (grant["org_code"], grant["region_code"]) == ("360702-SJ", "360702")
    assert clue["clue_no"] in grant["reason"]


async def test_custody_hears_which_clue_and_case_evidence_serves(world: World) -> None:
    evidence = world.evidence.add("360121")
    clue = await new_clue(world, evidence_ids=[evidence])
    for action, org in (("assign", {"org_code": "360121-SJ"}), ("sign", {}), ("file", {})):
        clue = await step(world, NANCHANG, clue, action, **org)
    while await relay(world.casework.state.db, world.settings, "casework"):
        pass
    links = world.evidence.about("linked", evidence)
    reasons = [f"线索 {clue['clue_no']} 附证", f"案件 {clue['case_no']} 附证"]
    assert sorted(link["reason"] for link in links) == sorted(reasons)
    assert all(link["actor"]["sub"] == NANCHANG.sub and link["actor"]["org_name"] for link in links)
    # Signed for by the authority that found it: nothing changed hands.
    assert world.evidence.about("transferred", evidence) == []


async def test_evidence_hears_from_where_the_person_asked(world: World) -> None:
    """Reading through casework is the person's own look: with the address the gateway saw."""
    asked = dataclasses.replace(NANCHANG, client_ip="192.0.2.31")
    await new_clue(world, asked, evidence_ids=[world.evidence.add("360121")])
    assert world.evidence.seen_from[-1] == "192.0.2.31"


async def test_reassigning_takes_the_evidence_back_from_the_earlier_authority(world: World) -> None:
    evidence = world.evidence.add("360121")
    clue = await new_clue(world, evidence_ids=[evidence])
    clue = await step(world, NANCHANG, clue, "assign", org_code="360702-SJ")
    clue = await step(world, ZHANGGONG, clue, "return", reason="不属本局管辖")
    assert await told(world, "withdrawn", evidence) == []  # who returned it still sees what it returned
    clue = await step(world, NANCHANG, clue, "assign", org_code="360403-SJ")
    (withdrawn,) = await told(world, "withdrawn", evidence)
    assert withdrawn["org_code"] == "360702-SJ" and withdrawn["actor"]["name"] == NANCHANG.name
    first, second = await told(world, "granted", evidence)
    assert (first["org_code"], second["org_code"]) == ("360702-SJ", "360403-SJ")
    assert first["basis"] == withdrawn["basis"] == f"clue:{clue['id']}"
    assert first["version"] < withdrawn["version"] == second["version"]

    clue = await step(world, officer("360403"), clue, "sign")
    (handed,) = await told(world, "transferred", evidence)
    assert (handed["from_org"], handed["to_org"]) == ("360121-SJ", "360403-SJ")
    assert handed["actor"]["org"] == "360403-SJ"


async def test_assigning_to_the_same_authority_again_withdraws_nothing(world: World) -> None:
    evidence = world.evidence.add("360121")
    clue = await step(
        world, NANCHANG, await new_clue(world, evidence_ids=[evidence]), "assign", org_code="360702-SJ"
    )
    clue = await step(world, ZHANGGONG, clue, "return", reason="材料不全")
    await step(world, NANCHANG, clue, "assign", org_code="360702-SJ")
    assert await told(world, "withdrawn", evidence) == []


async def told(world: World, topic: str, evidence: str) -> list[dict[str, Any]]:
    """Facts of a topic about the item that evidence has been told, in order of their ground's version."""
    while await relay(world.casework.state.db, world.settings, "casework"):
        pass
    return sorted(world.evidence.about(topic, evidence), key=lambda fact: fact.get("version", 0))


async def test_a_refused_assignment_grants_nothing(world: World) -> None:
    """Negative control: the grant is queued in the transaction of the step, so no step means no grant."""
    evidence = world.evidence.add("360121")
    clue = await new_clue(world, evidence_ids=[evidence])
    problem = await refused(world, ZHANGGONG, "clues", clue, action="assign", org_code="360702-SJ")
    assert problem["status"] == 404
    problem = await refused(world, NANCHANG, "clues", clue, action="assign", org_code="369999-SJ")
    assert (problem["status"], problem["code"]) == (422, "organisation.unknown")
    queued = await sql(
        world.casework.state.db,
        "SELECT 1 FROM outbox WHERE topic = 'evidence.granted' AND payload->>'evidence_id' = :e",
        e=evidence,
    )
    assert queued == []


async def test_evidence_must_be_visible_to_the_caller(world: World) -> None:
    mine, foreign = world.evidence.add("360121"), world.evidence.add("360702")
    answer = await world.at_casework(NANCHANG).call(
        "POST", "/clues", json={"title": "线索", "evidence_ids": [mine, foreign]}
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "clue.evidence_not_visible" and answer.json()["evidence_ids"] == [foreign]
    by_province = await new_clue(world, PROVINCE, evidence_ids=[mine, foreign, mine])
    assert by_province["evidence_ids"] == [mine, foreign]


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": "x", "url": "javascript:alert(1)"},
        {"title": "x", "url": "http://a b"},
        {"title": "a\0b"},
        {"title": "x", "evidence_ids": ["../1"]},
        {"title": "x", "violation_code": "有空 格"},
        {"title": "x" * 201},
        {},
    ],
)
async def test_bad_input_is_refused(world: World, body: dict[str, Any]) -> None:
    answer = await world.at_casework(NANCHANG).call("POST", "/clues", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


async def in_state(world: World, state: str) -> dict[str, Any]:
    """A clue in the wanted state, reached by its legal steps."""
    path = {
        "new": [],
        "assigned": ["assign"],
        "signed": ["assign", "sign"],
        "returned": ["assign", "return"],
        "filed": ["assign", "sign", "file"],
        "not_filed": ["assign", "sign", "decline"],
        "dismissed": ["dismiss"],
    }[state]
    clue = await new_clue(world)
    for action in path:
        org = {"org_code": "360121-SJ"} if action == "assign" else {}
        clue = await step(world, NANCHANG, clue, action, reason="理由", **org)
    assert clue["state"] == state
    return clue


STEPS = {
    "new": {"assign", "dismiss"},
    "assigned": {"sign", "return"},
    "signed": {"file", "decline"},
    "returned": {"assign", "dismiss"},
    "filed": set(),
    "not_filed": set(),
    "dismissed": set(),
}


@pytest.mark.parametrize("state", STEPS)
async def test_every_step_that_does_not_fit_is_409_with_the_possible_ones(world: World, state: str) -> None:
    """Found and assigned by one bureau, so that the state alone decides."""
    clue = await in_state(world, state)
    assert set(actions(clue)) == STEPS[state]
    for action in {"assign", "sign", "return", "dismiss", "file", "decline"} - STEPS[state]:
        problem = await refused(
            world, NANCHANG, "clues", clue, action=action, org_code="360121-SJ", reason="理由"
        )
        assert (problem["status"], problem["code"]) == (409, "workflow.illegal_transition"), action
        assert {a["action"] for a in problem["allowed"]} == STEPS[state]
        assert problem["state"] == state and problem["todo"]
    after = await world.at_casework(NANCHANG).get(f"/clues/{clue['id']}")
    assert (after["version"], len(after["history"])) == (clue["version"], clue["version"])


@pytest.mark.parametrize(
    "steps", [[], ["investigate"], ["investigate", "conclude"], ["investigate", "conclude", "close"]]
)
async def test_case_steps_that_do_not_fit_are_409(world: World, steps: list[str]) -> None:
    clue = await in_state(world, "filed")
    case = await world.at_casework(NANCHANG).get(f"/cases/{clue['case_id']}")
    for action in steps:
        case = await world.at_casework(NANCHANG).post(
            f"/cases/{case['id']}/transitions", action=action, version=case["version"], reason="理由"
        )
    for action in {"investigate", "conclude", "close"} - set(actions(case)):
        problem = await refused(world, NANCHANG, "cases", case, action=action, reason="理由")
        assert (problem["status"], problem["code"]) == (409, "workflow.illegal_transition")


async def test_steps_belong_to_their_authority(world: World) -> None:
    clue = await new_clue(world)
    handed = await step(world, PROVINCE, clue, "assign", org_code="360702-SJ")  # a superior may hand over
    for stranger in (NANCHANG, PROVINCE):
        problem = await refused(world, stranger, "clues", handed, action="sign")
        assert (problem["status"], problem["code"]) == (403, "workflow.not_yours")
    unable = officer("360702", "实习", OFFICER - {"clue:sign"})
    problem = await refused(world, unable, "clues", handed, action="sign")
    assert (problem["status"], problem["code"]) == (403, "identity.forbidden")
    problem = await refused(world, ZHANGGONG, "clues", handed, action="return")
    assert (problem["status"], problem["code"], problem["fields"]) == (
        422,
        "workflow.field_missing",
        ["reason"],
    )
    problem = await refused(world, ZHANGGONG, "clues", handed, action="explode")
    assert (problem["status"], problem["code"]) == (422, "workflow.unknown_action")


async def test_a_returned_clue_can_go_elsewhere_and_is_then_gone_for_the_first(world: World) -> None:
    clue = await new_clue(world)
    handed = await step(world, NANCHANG, clue, "assign", org_code="360702-SJ")
    back = await step(world, ZHANGGONG, handed, "return", reason="不在本辖区")
    assert back["state"] == "returned"
    await world.at_casework(ZHANGGONG).get(f"/clues/{clue['id']}")
    again = await step(world, NANCHANG, back, "assign", org_code="360102-SJ")
    assert again["assigned_org_code"] == "360102-SJ"
    gone = await world.at_casework(ZHANGGONG).call("GET", f"/clues/{clue['id']}")
    assert gone.status_code == 404


async def test_two_signatures_at_once_make_one(world: World) -> None:
    for _ in range(5):
        handed = await step(world, NANCHANG, await new_clue(world), "assign", org_code="360702-SJ")
        path, body = f"/clues/{handed['id']}/transitions", {"action": "sign", "version": handed["version"]}
        answers = await asyncio.gather(
            *(world.at_casework(ZHANGGONG).call("POST", path, json=body) for _ in range(4))
        )
        assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
        stale = next(a.json() for a in answers if a.status_code == 409)
        assert (stale["code"], stale["state"], stale["version"]) == ("workflow.stale", "signed", 3)
        assert {a["action"] for a in stale["allowed"]} == {"file", "decline"}
        after = await world.at_casework(ZHANGGONG).get(f"/clues/{handed['id']}")
        assert [h["action"] for h in after["history"]] == ["create", "assign", "sign"]


async def test_one_clue_opens_one_case(world: World) -> None:
    signed = await in_state(world, "signed")
    path, body = f"/clues/{signed['id']}/transitions", {"action": "file", "version": signed["version"]}
    answers = await asyncio.gather(
        *(world.at_casework(NANCHANG).call("POST", path, json=body) for _ in range(3))
    )
    assert sorted(a.status_code for a in answers) == [200, 409, 409]
    opened = await sql(
        world.casework.state.db, "SELECT case_no FROM cases WHERE clue_id = :c", c=signed["id"]
    )
    assert len(opened) == 1


async def test_history_cannot_be_rewritten(world: World) -> None:
    clue = await new_clue(world)
    database = world.casework.state.db
    for statement in (
        "UPDATE workflow_history SET reason = 'x' WHERE object_id = :id",
        "DELETE FROM workflow_history WHERE object_id = :id",
        "TRUNCATE workflow_history",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            await sql(database, statement, **({"id": clue["id"]} if ":id" in statement else {}))
    after = await world.at_casework(NANCHANG).get(f"/clues/{clue['id']}")
    assert after["history"] == clue["history"]


async def test_every_change_has_its_audit_row(world: World) -> None:
    clue = await in_state(world, "filed")
    rows = await sql(
        world.casework.state.db,
        "SELECT event, actor, org_code FROM audit WHERE object_id IN (:a, :b) ORDER BY seq",
        a=clue["id"],
        b=clue["case_id"],
    )
    assert [r.event for r in rows] == ["clue.create", "clue.assign", "clue.sign", "case.create", "clue.file"]
    assert {(r.actor, r.org_code) for r in rows} == {(NANCHANG.sub, "360121-SJ")}


async def test_evidence_service_down_is_said_and_nothing_changes(world: World) -> None:
    lonely = world.settings.model_copy(update={"evidence_url": f"unix:{world.settings.run_dir}/nobody.sock"})
    from services.casework.peers import Peers

    kept, world.casework.state.peers = world.casework.state.peers, Peers(lonely)
    try:
        answer = await world.at_casework(NANCHANG).call(
            "POST", "/clues", json={"title": "线索", "evidence_ids": [world.evidence.add("360121")]}
        )
    finally:
        await world.casework.state.peers.close()
        world.casework.state.peers = kept
    assert (answer.status_code, answer.json()["code"]) == (503, "upstream.unavailable")
