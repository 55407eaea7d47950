"""No byte of another region's subject, shop or import: lists, counts, searches, details, exports."""

from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import true

from services.common.identity import Claims
from services.common.settings import Settings as AppSettings
from tests.records_world import NAMES, World, officer, running_world

OWNER, STRANGER, SUPERIOR = officer("360121"), officer("360702", "韩梅"), officer("360100", "市")
SECRET = "白鹭湖牌黄酒"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., AppSettings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def test_a_stranger_sees_nothing_and_cannot_tell(world: World) -> None:
    stranger = world.at_registry(STRANGER)
    paths = (
        "/subjects",
        "/presences",
        "/imports",
        f"/subjects?q={SECRET}",
        f"/presences?q={SECRET[:2]}",
        "/presences/export",
    )
    before = [(await stranger.call("GET", path)).content for path in paths]
    subject = await world.at_registry(OWNER).post("/subjects", name=SECRET, licence="91330106673959654P")
    shop = await world.at_registry(OWNER).post(
        "/presences", name=f"{SECRET}店", channel="shop", subject_id=subject["id"], phone="13807911234"
    )
    assert [(await stranger.call("GET", path)).content for path in paths] == before
    for path in (f"/subjects/{subject['id']}", f"/presences/{shop['id']}"):
        hidden = await stranger.call("GET", path)
        missing = await stranger.call("GET", path[:-26] + "0" * 26)
        assert hidden.status_code == missing.status_code == 404
        assert {**hidden.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
        assert (await world.at_registry(SUPERIOR).call("GET", path)).status_code == 200
    assert (await stranger.get("/presences", subject_id=subject["id"]))["total"] == 0
    attach = await stranger.call(
        "POST", "/presences", json={"name": "偷挂", "channel": "shop", "subject_id": subject["id"]}
    )
    assert attach.status_code == 404
    same_number = await stranger.call(
        "POST", "/subjects", json={"name": "另一家", "licence": "91330106673959654P"}
    )
    assert same_number.status_code == 201


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_pair_of_regions(world: World, data: st.DataObject) -> None:
    """A row is seen exactly by the regions above it and its own."""
    codes = sorted(NAMES)
    row_region, viewer = data.draw(st.sampled_from(codes)), data.draw(st.sampled_from(codes))
    made = await world.at_registry(officer(row_region)).post("/subjects", name="属性测试主体")
    answer = await world.at_registry(officer(viewer)).call("GET", f"/subjects/{made['id']}")
    city_above = viewer.endswith("00") and viewer[:4] == row_region[:4]
    above = viewer in {row_region, "360000"} or city_above
    assert answer.status_code == (200 if above else 404)
    listed = await world.at_registry(officer(viewer)).get("/subjects", q="属性测试", limit=200)
    assert (made["id"] in [row["id"] for row in listed["items"]]) == above


async def test_negative_control_without_the_scope_a_stranger_would_see(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above bite: with the scoping condition switched off, the same questions show the subject."""
    made = await world.at_registry(OWNER).post("/subjects", name="对照主体甲乙")
    stranger = world.at_registry(STRANGER)
    assert (await stranger.get("/subjects", q="对照主体甲乙"))["total"] == 0
    monkeypatch.setattr("services.registry.search.repository.region_prefix", lambda code: code[:2])
    assert (await stranger.get("/subjects", q="对照主体甲乙"))["total"] == 1
    monkeypatch.setattr("services.registry.subjects.repository.region_filter", lambda column, claims: true())
    assert (await stranger.call("GET", f"/subjects/{made['id']}")).status_code == 200
