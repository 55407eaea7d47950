"""The state of sealing, asked of a running service whose peers go away and come back."""

import dataclasses
from typing import Any

import pytest
from sqlalchemy import text

from tests.evidence_stack import OFFICER, own_home, remove, running

AGE = text("UPDATE evidence_items SET created_at = now() - make_interval(hours => :h) WHERE id = :i")
ADMIN = dataclasses.replace(OFFICER, sub="u-admin", permissions=frozenset({"system:read"}))


@pytest.fixture(scope="module")
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


async def parts(stack) -> dict[str, Any]:
    answer = await stack.get("/evidence-status", ADMIN)
    assert answer.status_code == 200, answer.text
    return {part["name"]: part for part in answer.json()["parts"]}


async def test_only_those_who_run_the_system_see_it(stack) -> None:
    assert (await stack.get("/evidence-status", OFFICER)).status_code == 403
    assert (await stack.client.get("/evidence-status")).status_code == 401


async def test_a_quiet_service_is_well_but_for_the_plain_disk(stack) -> None:
    await stack.submit()
    found = await parts(stack)
    wrong = {name for name, part in found.items() if part["state"] != "ok"}
    assert wrong == {"store", "sweep"}, found  # embedded: a disk forgets, and no night has passed
    assert found["custodians"]["facts"]["custodians"][0]["tree_size"] >= 1


async def test_a_custodian_that_is_away_is_named(stack) -> None:
    await stack.custodian.stop()
    try:
        found = (await parts(stack))["custodians"]
        assert found["state"] == "bad" and found["facts"]["custodians"][0]["state"] == "down"
    finally:
        await stack.custodian.start()
    assert (await parts(stack))["custodians"]["state"] == "ok"


async def test_the_backlog_ages_into_a_warning_and_a_refusal(stack) -> None:
    await stack.tsa.stop()
    try:
        item, envelope = await stack.intake()
        await stack.seal(item, envelope)
        waiting = (await parts(stack))["unstamped"]
        assert (waiting["state"], waiting["facts"]["count"]) == ("ok", 1)
        shown = (await stack.get(f"/evidence/{item}")).json()
        assert (shown["stage"], shown["evidence_no"]) == ("signed", None)
        assert shown["seals"]["timestamps"] == [] and shown["seals"]["custodians"] == []
        for hours, state in ((3, "warn"), (5, "bad")):
            async with stack.runtime.database.transaction() as session:
                await session.execute(AGE, {"h": hours, "i": item})
            assert (await parts(stack))["unstamped"]["state"] == state
    finally:
        await stack.tsa.start()
