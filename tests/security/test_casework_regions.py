"""No byte of another region's clue or case: lists, counts, searches, details and steps."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import true

from infra.embedded.redis import EmbeddedRedis
from services.common.identity import Claims
from services.common.settings import Settings
from tests.records_world import World, officer, running_world

FINDER, RECEIVER, NEIGHBOUR = officer("360121"), officer("360702", "韩梅"), officer("360124", "张邻")
CITY, OTHER_CITY, PROVINCE = officer("360100", "市"), officer("360200", "外市"), officer("360000", "省")
MARK = "独角兽牌蜂蜜"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings],
    token_for: Callable[[Claims], dict[str, str]],
    redis: EmbeddedRedis,
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def views(world: World, claims: Claims, clue_id: str, case_id: str | None) -> dict[str, Any]:
    """Everything the interface says to a caller about one clue."""
    http = world.at_casework(claims)
    shown: dict[str, Any] = {}
    for path in ("/clues", "/clues?state=new", f"/clues?q={MARK[:2]}", "/clues?q=shop.example.cn", "/cases"):
        page = await http.get(path)
        shown[path] = (page["total"], [row["id"] for row in page["items"]])
    for path in (f"/clues/{clue_id}", f"/cases/{case_id}" if case_id else f"/cases/{clue_id}"):
        shown[path] = (await http.call("GET", path)).status_code
    return shown


async def test_strangers_see_the_same_whether_a_clue_exists_or_not(world: World) -> None:
    strangers = (RECEIVER, NEIGHBOUR, OTHER_CITY)
    nowhere = "0" * 26
    before = [await views(world, s, nowhere, None) for s in strangers]
    clue = await world.at_casework(FINDER).post(
        "/clues", title=f"{MARK}标签不符", url="https://shop.example.cn/9", subject_name=MARK
    )
    for stranger, empty in zip(strangers, before, strict=True):
        seen = await views(world, stranger, clue["id"], None)
        assert list(seen.values()) == list(empty.values())
    for entitled in (FINDER, CITY, PROVINCE):
        assert (await views(world, entitled, clue["id"], None))[f"/clues/{clue['id']}"] == 200
        assert MARK in json.dumps(await world.at_casework(entitled).get("/clues", q=MARK), ensure_ascii=False)
    for stranger in strangers:
        answer = await world.at_casework(stranger).call(
            "POST",
            f"/clues/{clue['id']}/transitions",
            json={"action": "dismiss", "version": 1, "reason": "x"},
        )
        unknown = await world.at_casework(stranger).call(
            "POST", f"/clues/{nowhere}/transitions", json={"action": "dismiss", "version": 1, "reason": "x"}
        )
        assert answer.status_code == unknown.status_code == 404
        assert {**answer.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}


async def test_assignment_opens_exactly_the_receivers_line(world: World) -> None:
    clue = await world.at_casework(FINDER).post("/clues", title="转办线索", subject_name="青山茶业")
    path = f"/clues/{clue['id']}"
    await world.at_casework(FINDER).post(
        f"{path}/transitions", action="assign", version=1, org_code="360702-SJ"
    )
    for claims, status in (
        (FINDER, 200),
        (CITY, 200),
        (PROVINCE, 200),
        (RECEIVER, 200),
        (officer("360700", "赣州"), 200),
        (NEIGHBOUR, 404),
        (OTHER_CITY, 404),
        (officer("360703", "南康"), 404),
    ):
        assert (await world.at_casework(claims).call("GET", path)).status_code == status, claims.org
        found = (await world.at_casework(claims).get("/clues", q="青山茶业"))["total"]
        assert found == (1 if status == 200 else 0)


async def test_a_case_is_seen_by_its_holder_and_superiors_only(world: World) -> None:
    clue = await world.at_casework(FINDER).post("/clues", title="立案线索")
    path = f"/clues/{clue['id']}/transitions"
    await world.at_casework(FINDER).post(path, action="assign", version=1, org_code="360702-SJ")
    await world.at_casework(RECEIVER).post(path, action="sign", version=2)
    filed = await world.at_casework(RECEIVER).post(path, action="file", version=3)
    for claims, status in ((RECEIVER, 200), (PROVINCE, 200), (FINDER, 404), (CITY, 404), (NEIGHBOUR, 404)):
        answer = await world.at_casework(claims).call("GET", f"/cases/{filed['case_id']}")
        assert answer.status_code == status, claims.org
        listed = [row["id"] for row in (await world.at_casework(claims).get("/cases"))["items"]]
        assert (filed["case_id"] in listed) == (status == 200)
    problem = await world.at_casework(PROVINCE).call(
        "POST",
        f"/cases/{filed['case_id']}/transitions",
        json={"action": "investigate", "version": 1},
    )
    assert problem.json()["code"] == "workflow.not_yours"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/clues"),
        ("POST", "/clues"),
        ("GET", "/clues/" + "0" * 26),
        ("POST", f"/clues/{'0' * 26}/transitions"),
        ("GET", "/cases"),
        ("GET", "/cases/" + "0" * 26),
        ("POST", f"/cases/{'0' * 26}/transitions"),
    ],
)
async def test_no_permission_no_answer(world: World, method: str, path: str) -> None:
    nobody = officer("360121", "无权", frozenset({"registry:read"}))
    body = {"title": "x", "action": "sign", "version": 1}
    answer = await world.at_casework(nobody).call(method, path, json=body if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (403, "identity.forbidden")


async def test_negative_control_without_the_scope_strangers_would_see(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above bite: with the scoping condition switched off, the same questions show the clue."""
    clue = await world.at_casework(FINDER).post("/clues", title="对照线索", subject_name="对照主体名")
    stranger = world.at_casework(NEIGHBOUR)
    assert (await stranger.get("/clues", q="对照主体名"))["total"] == 0
    monkeypatch.setattr("services.casework.clues.repository.region_filter", lambda column, claims: true())
    assert (await stranger.get("/clues", q="对照主体名"))["total"] == 1
    assert (await stranger.call("GET", f"/clues/{clue['id']}")).status_code == 200
