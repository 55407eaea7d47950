"""Jurisdiction and regions: who sees what at each step, and the invariants in the database after anything."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import true

from services.common.identity import Claims
from services.common.settings import Settings as AppSettings
from services.registry.claims.machine import CLAIM
from tests.records_world import OFFICER, World, officer, running_world, sql

ALL = OFFICER | {"registry:claim", "registry:assign"}
CODES = ("360000", "360100", "360121", "360123", "360702")
PEOPLE = {code: officer(code, code, ALL) for code in CODES}
SECRET = "鄱湖鸿雁黄酒坊"


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., AppSettings], token_for: Callable[[Claims], dict[str, str]]
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def made(world: World, name: str = SECRET) -> str:
    province = world.at_registry(PEOPLE["360000"])
    return str((await province.post("/presences", name=name, channel="shop"))["id"])


async def act(world: World, code: str, shop: str, **body: Any) -> Any:
    http = world.at_registry(PEOPLE[code])
    return await http.call("POST", f"/claims/{shop}/transitions", json=body)


async def seen_by(world: World, shop: str) -> set[str]:
    """The authorities that can open it; lists, counts and previews must agree."""
    found = set()
    for code, person in PEOPLE.items():
        http = world.at_registry(person)
        answer = await http.call("GET", f"/claims/{shop}")
        assert answer.status_code in {200, 404}
        listed = await http.get("/claims", q=SECRET, limit=200)
        order = {"order": {"action": "pool", "reason": "x"}, "selection": {"ids": [shop]}}
        preview = await http.post("/claims/preview", **order)
        inside = answer.status_code == 200
        assert (shop in [row["id"] for row in listed["items"]]) == inside
        assert preview["total"] == int(inside)
        assert SECRET not in str(preview) or inside
        if inside:
            found.add(code)
    return found


async def test_a_county_sees_only_its_own_and_what_is_offered_to_it(world: World) -> None:
    shop = await made(world)
    assert await seen_by(world, shop) == {"360000"}
    await act(world, "360000", shop, action="offer", version=0, org_code="360121-SJ")
    assert await seen_by(world, shop) == {"360000", "360100", "360121"}
    await act(world, "360121", shop, action="reject", version=1, reason_code="not_ours")
    assert await seen_by(world, shop) == {"360000"}
    await act(world, "360000", shop, action="reoffer", version=2, org_code="360702-SJ")
    assert await seen_by(world, shop) == {"360000", "360702"}
    await act(world, "360702", shop, action="claim", version=3)
    assert await seen_by(world, shop) == {"360000", "360702"}


async def test_a_stranger_can_neither_act_nor_tell(world: World) -> None:
    shop = await made(world)
    await act(world, "360000", shop, action="offer", version=0, org_code="360121-SJ")
    hidden = await act(world, "360702", shop, action="claim", version=1)
    missing = await act(world, "360702", "0" * 26, action="claim", version=1)
    assert hidden.status_code == missing.status_code == 404
    assert {**hidden.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
    province, stranger = (world.at_registry(PEOPLE[c]) for c in ("360000", "360702"))
    body = {"order": {"action": "pool", "reason": "x"}, "selection": {"ids": [shop]}, "key": "not-yours-1"}
    job = await province.post("/claims/jobs", **body)
    assert (await stranger.call("GET", f"/claims/jobs/{job['id']}")).status_code == 404
    assert (await stranger.call("POST", f"/claims/jobs/{job['id']}/cancellation")).status_code == 404
    assert job["id"] not in [j["id"] for j in (await stranger.get("/claims/jobs"))["items"]]
    regions = {c["region_code"] for c in (await stranger.get("/claims/counts"))["items"]}
    assert regions <= {"360702"}


async def test_negative_control_without_the_scope_a_stranger_would_see(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks above bite: with the scoping condition switched off, the stranger opens and lists it."""
    shop = await made(world)
    stranger = world.at_registry(PEOPLE["360702"])
    assert (await stranger.call("GET", f"/claims/{shop}")).status_code == 404
    monkeypatch.setattr("services.registry.claims.repository.region_filter", lambda column, claims: true())
    assert (await stranger.call("GET", f"/claims/{shop}")).status_code == 200
    assert (await stranger.get("/claims", q=SECRET))["total"] >= 1


ACTIONS = st.sampled_from(["offer", "claim", "reject", "take", "reoffer", "pool", "designate", "hand_back"])
COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(CODES),
        ACTIONS,
        st.sampled_from([f"{c}-SJ" for c in CODES]),
        st.sampled_from([0, 0, 1]),
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=COMMANDS)
async def test_any_sequence_of_commands_keeps_the_invariants(
    world: World, commands: list[tuple[str, str, str, int]]
) -> None:
    """One authority, one step a version without a gap, states and offers that agree, whatever is asked."""
    shop, version = await made(world), 0
    for code, action, org, late in commands:
        body: dict[str, Any] = {"action": action, "version": version - late, "org_code": org}
        body |= {"reason_code": "mismatch", "reason": "理由"}
        if body["version"] < 0:
            continue
        answer = await act(world, code, shop, **body)
        assert answer.status_code in {200, 403, 404, 409, 422}, answer.text
        if late:
            assert answer.status_code != 200
        version += answer.status_code == 200
    database = world.registry.state.db
    (row,) = await sql(database, "SELECT * FROM presences WHERE id = :id", id=shop)
    steps = await sql(
        database, "SELECT * FROM claim_steps WHERE presence_no = :no ORDER BY version", no=row.no
    )
    assert row.claim_version == version == len(steps)
    assert [s.version for s in steps] == list(range(1, version + 1))
    state, authority = CLAIM.initial, "360000-SJ"
    for done in steps:
        assert (done.from_state, done.authority_before) == (state, authority)
        assert done.to_state in {t.target for t in CLAIM.from_state(state) if t.action == done.action}
        state, authority = done.to_state, done.authority_code
    assert (row.claim_state, row.authority_code or "360000-SJ") == (state, authority)
    assert (row.offered_code is not None) == (state in {"offered", "reoffered"})
    assert row.region_code == (row.offered_code or authority)[:6]
