"""Lists of clues and cases, their query counts, and numbers that follow without gaps."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from infra.embedded.redis import EmbeddedRedis
from services.casework.numbering.rules import Kind
from services.casework.numbering.service import issue
from services.common.clock import utc_now
from services.common.identity import Claims
from services.common.ids import new_id
from services.common.settings import Settings
from tests.records_world import World, counted, officer, running_world, sql

NANCHANG = officer("360121")


@pytest.fixture(scope="module")
async def world(
    make_settings: Callable[..., Settings],
    token_for: Callable[[Claims], dict[str, str]],
    redis: EmbeddedRedis,
) -> AsyncIterator[World]:
    async with running_world(make_settings, token_for) as running:
        yield running


async def new_clue(world: World, claims: Claims, title: str = "某茶行虚构交易") -> dict[str, Any]:
    clue: dict[str, Any] = await world.at_casework(claims).post("/clues", title=title)
    return clue


async def filed_clue(world: World) -> dict[str, Any]:
    clue = await new_clue(world, NANCHANG)
    for action, more in (("assign", {"org_code": "360121-SJ"}), ("sign", {}), ("file", {})):
        clue = await world.at_casework(NANCHANG).post(
            f"/clues/{clue['id']}/transitions", action=action, version=clue["version"], **more
        )
    return clue


async def test_numbers_follow_without_gaps_even_when_attempts_fail(world: World) -> None:
    anyi = officer("360123")
    foreign = world.evidence.add("360702")

    async def attempt(number: int) -> int:
        ids = [foreign] if number % 3 == 0 else []
        answer = await world.at_casework(anyi).call(
            "POST", "/clues", json={"title": f"线索{number}", "evidence_ids": ids}
        )
        return answer.status_code

    codes = await asyncio.gather(*(attempt(i) for i in range(15)))
    assert codes.count(201) == 10 and codes.count(422) == 5
    rows = await sql(
        world.casework.state.db,
        "SELECT serial FROM issued_numbers WHERE org_code = '360123-SJ' ORDER BY serial",
    )
    assert [r.serial for r in rows] == list(range(1, 11))


async def test_a_rolled_back_transaction_gives_its_number_back(world: World) -> None:
    jinxian = officer("360124")

    async def take(fail: bool) -> str:
        async with world.casework.state.db.transaction() as session:
            number = await issue(session, jinxian, Kind.CASE, new_id(), utc_now())
            if fail:
                raise RuntimeError("the change fails after the number was taken")
        return number

    with pytest.raises(RuntimeError):
        await take(fail=True)
    assert (await take(fail=False)).endswith("0001号")


async def test_lists_take_two_statements_and_details_six(world: World) -> None:
    clue = await filed_clue(world)
    for path, most in (
        ("/clues?limit=200", 2),
        ("/clues?q=茶行&state=new", 2),
        ("/cases", 2),
        (f"/clues/{clue['id']}", 5),
        (f"/cases/{clue['case_id']}", 5),
    ):
        with counted() as seen:
            answer = await world.at_casework(NANCHANG).call("GET", path)
        assert answer.status_code == 200
        assert len(seen) <= most, (path, seen)


async def test_pages_follow_each_other(world: World) -> None:
    guixi = officer("360681")
    made = [(await new_clue(world, guixi, title=f"贵溪线索{i}"))["id"] for i in range(7)]
    seen, cursor = [], None
    while True:
        page = await world.at_casework(guixi).get("/clues", limit=3, **({"cursor": cursor} if cursor else {}))
        assert (page["total"], page["total_capped"]) == (7, False)
        seen += [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == made[::-1]
    found = await world.at_casework(guixi).get("/clues", q="贵溪 线索３")
    assert [row["id"] for row in found["items"]] == [made[3]]
    assert (await world.at_casework(guixi).get("/clues", q="100%_"))["items"] == []
    for cursor in ("!!", "WzFd", "WyIAIl0"):
        bad = await world.at_casework(guixi).call("GET", "/clues", params={"cursor": cursor})
        assert (bad.status_code, bad.json()["code"]) == (422, "paging.cursor_invalid")
