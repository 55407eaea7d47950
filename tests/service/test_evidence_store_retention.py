"""Retention and legal holds: the date, who may hold, what goes on record, what the store is told."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.common.outbox import Event
from services.evidence.grants.events import linked
from services.evidence.retention.rules import extended, in_force, keep_until
from services.evidence.retention.service import shipped_rules
from tests.evidence_stack import OFFICER, own_home, remove, running

HOLDER = dataclasses.replace(OFFICER, permissions=OFFICER.permissions | {"evidence:hold"})
STRANGER = dataclasses.replace(HOLDER, sub="u-other", org="360702-SJ", region="360702")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))


@dataclasses.dataclass
class Told:
    """What the store was told of each object, last word last."""

    words: dict[str, list[tuple[datetime | None, bool]]] = dataclasses.field(default_factory=dict)

    def protect(self, sha256, until, *, hold):
        self.words.setdefault(sha256, []).append((until, hold))
        return True


@pytest.fixture(scope="module")
async def stack(make_settings):
    settings = own_home(make_settings("evidence"))
    async with running(settings) as running_stack:
        yield running_stack
    remove(settings)


@pytest.fixture
def told(stack, monkeypatch):
    words = Told()
    monkeypatch.setattr(stack.runtime.store, "protect", words.protect)
    monkeypatch.setattr(stack.runtime.store, "locks", True)
    return words


async def _post(stack, path, reason, claims=HOLDER):
    return await stack.client.post(path, json={"reason": reason}, headers=stack.headers(claims))


async def _retention(stack, evidence_id):
    return (await stack.get(f"/evidence/{evidence_id}")).json()["retention"]


async def _artefacts(stack, evidence_id):
    return {one["sha256"] for one in (await stack.get(f"/evidence/{evidence_id}")).json()["artefacts"]}


@given(MOMENTS, st.integers(1, 50))
def test_a_retention_is_never_short(sealed_at, years):
    """At least that many full years, at most two days more, and it ends with a day in China."""
    until = keep_until(sealed_at, years)
    assert timedelta(days=365 * years) <= until - sealed_at <= timedelta(days=366 * years + 2)
    assert (until.hour, until.minute, until.second) == (16, 0, 0)


@given(st.none() | MOMENTS, MOMENTS)
def test_extending_never_shortens(until, wanted):
    """Whatever is wanted, the result is no earlier than either."""
    later = extended(until, wanted)
    assert later >= wanted
    assert until is None or later >= until


def test_shipped_rules_are_dated_and_flagged():
    """One rule in force for each category; none claims to be verified without a source that was read."""
    rules = [type("Rule", (), row)() for row in shipped_rules()]
    for category in ("capture", "case"):
        rule = in_force(rules, category, datetime(2026, 11, 21, tzinfo=UTC))
        assert rule.article
        assert rule.source
        assert rule.verified or "核对" in rule.source
    with pytest.raises(LookupError):
        in_force(rules, "capture", datetime(1990, 1, 1, tzinfo=UTC))


async def test_every_sealed_item_has_a_date_and_the_store_is_told(stack, told):
    """The date follows from the rule in force; every object of the item is named to the store."""
    sealed = await stack.submit()
    await stack.app.state.retention.drain()
    shown = await _retention(stack, sealed["id"])
    assert (shown["rule"]["category"], shown["rule"]["years"]) == ("capture", 5)
    assert (shown["pending"], shown["locked"], shown["hold"]) == (False, True, None)
    until = datetime.fromisoformat(shown["until"])
    assert timedelta(days=5 * 365) < until - datetime.now(UTC) < timedelta(days=5 * 366 + 2)
    assert await _artefacts(stack, sealed["id"]) < set(told.words), "artefacts, and the layout"
    assert all(words[-1] == (until, False) for words in told.words.values())


async def test_evidence_of_a_case_is_kept_longer_and_never_shorter_again(stack, told):
    """Linked to a case: thirty years. The database itself refuses to shorten it."""
    sealed = await stack.submit()
    await stack.app.state.retention.drain()
    before = datetime.fromisoformat((await _retention(stack, sealed["id"]))["until"])
    async with stack.runtime.database.transaction() as session:
        payload = {"evidence_id": sealed["id"], "reason": "案件"}
        await linked(session, Event("01J0000000000000000000000A", "evidence.linked", "casework", payload))
    await stack.app.state.retention.drain()
    shown = await _retention(stack, sealed["id"])
    assert shown["rule"]["category"] == "case"
    assert datetime.fromisoformat(shown["until"]) - before > timedelta(days=24 * 365)
    for change in ("until = until - interval '1 day'", "until = NULL"):
        with pytest.raises(DBAPIError, match="never shortened"):
            async with stack.runtime.database.transaction() as session:
                await session.execute(
                    text(f"UPDATE retentions SET {change} WHERE evidence_id = :id"),  # noqa: S608
                    {"id": sealed["id"]},
                )
    with pytest.raises(DBAPIError, match="history"):
        async with stack.runtime.database.transaction() as session:
            await session.execute(text("DELETE FROM retentions"))


async def test_a_hold_needs_leave_a_reason_and_goes_on_record(stack, told):
    """403 without the permission, 404 for another region, 422 without a reason, 409 twice."""
    sealed = await stack.submit()
    path = f"/evidence/{sealed['id']}/hold"
    assert (await _post(stack, path, "案件审查", OFFICER)).status_code == 403
    assert (await _post(stack, path, "案件审查", STRANGER)).status_code == 404
    assert (await _post(stack, path, "   ")).status_code == 422
    assert (await _post(stack, f"{path}/release", "无")).status_code == 409
    held = await _post(stack, path, "法院调取,待审")
    assert held.status_code == 200
    assert held.json()["hold"]["reason"] == "法院调取,待审"
    again = await _post(stack, path, "再次")
    assert (again.status_code, again.json()["code"]) == (409, "evidence.already_held")
    await stack.app.state.retention.drain()
    assert all(told.words[one][-1][1] for one in await _artefacts(stack, sealed["id"]))
    assert (await _post(stack, f"{path}/release", "审结")).json()["hold"] is None
    await stack.app.state.retention.drain()
    assert not any(told.words[one][-1][1] for one in await _artefacts(stack, sealed["id"]))
    events = (await stack.get(f"/evidence/{sealed['id']}/custody")).json()["events"]
    found = [(one["event"], one["reason"]) for one in events if one["event"] in ("held", "released")]
    assert found == [("held", "法院调取,待审"), ("released", "审结")]


async def test_releasing_one_item_leaves_what_another_held_item_shares(stack, told):
    """Equal files of two items are one object: it stays held as long as either is."""
    first, second = await stack.submit(), await stack.submit()
    shared = await _artefacts(stack, first["id"]) & await _artefacts(stack, second["id"])
    assert shared
    for one in (first, second):
        assert (await _post(stack, f"/evidence/{one['id']}/hold", "并案")).status_code == 200
    await stack.app.state.retention.drain()
    assert (await _post(stack, f"/evidence/{first['id']}/hold/release", "撤回")).status_code == 200
    await stack.app.state.retention.drain()
    assert all(told.words[one][-1][1] for one in shared)


async def test_a_store_that_is_away_leaves_it_pending(stack, monkeypatch):
    """Nothing is lost: the row says pending until the store has been told."""
    from services.common.problems import Problem
    from services.evidence.objects.faults import store_away

    sealed = await stack.submit()

    def away(*_, **__):
        raise store_away("test")

    monkeypatch.setattr(stack.runtime.store, "protect", away)
    monkeypatch.setattr(stack.runtime.store, "locks", True)
    await _post(stack, f"/evidence/{sealed['id']}/hold", "待恢复")
    with pytest.raises(Problem):
        await stack.app.state.retention.drain()
    assert (await _retention(stack, sealed["id"]))["pending"]
    monkeypatch.undo()
    await stack.app.state.retention.drain()
    shown = await _retention(stack, sealed["id"])
    assert (shown["pending"], shown["locked"]) == (False, False), "a disk does not lock, and it is said"
