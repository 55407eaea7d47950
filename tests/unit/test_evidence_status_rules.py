"""What the figures of sealing are said to mean, at every edge."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evidence.status import rules
from services.evidence.status.rules import Waiting, Witness

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def ago(**span: float) -> Waiting:
    return Waiting(3, NOW - dt.timedelta(**span))


@pytest.mark.parametrize(
    ("waiting", "state"),
    [
        (Waiting(0, None), "ok"),
        (ago(minutes=5), "ok"),
        (ago(hours=2, minutes=47), "ok"),
        (ago(hours=2, minutes=48), "warn"),
        (ago(hours=3, minutes=59, seconds=59), "warn"),
        (ago(hours=4), "bad"),
    ],
)
def test_the_four_hour_rule_warns_at_seven_tenths_and_refuses_at_four_hours(
    waiting: Waiting, state: str
) -> None:
    found = rules.unstamped(waiting, NOW)
    assert found.state == state
    assert found.facts["limit_seconds"] == 4 * 3600
    assert ("暂停" in found.line_zh) == ("no new captures" in found.line_en) == (state == "bad")


def test_what_waits_for_a_peer_is_said_after_ten_minutes() -> None:
    states = [
        rules.queue("unreplicated", one, NOW).state
        for one in (Waiting(0, None), ago(minutes=9), ago(minutes=11))
    ]
    assert states == ["ok", "ok", "warn"]


def authority(operator: str, state: str) -> dict[str, Any]:
    return {"authority": operator, "operator": operator, "state": state}


@pytest.mark.parametrize(
    ("states", "quorum", "expected"),
    [
        (["closed", "closed"], 2, "ok"),
        (["closed", "open"], 1, "warn"),
        (["closed", "half-open"], 2, "warn"),
        (["closed", "open"], 2, "bad"),
        (["open"], 1, "bad"),
    ],
)
def test_authorities_are_counted_by_operator(states: list[str], quorum: int, expected: str) -> None:
    given_states = [authority(f"op{n}", state) for n, state in enumerate(states)]
    assert rules.authorities(given_states, quorum).state == expected
    same = [authority("one", state) for state in states]
    assert rules.authorities(same, 2).state == "bad"


def witness(operator: str, size: int | None, *, answers: bool = True) -> Witness:
    return Witness(f"w-{operator}", operator, False, answers, size)


@pytest.mark.parametrize(
    ("found", "quorum", "expected"),
    [
        ([witness("a", 10)], 1, "ok"),
        ([witness("a", 10), witness("b", None, answers=False)], 1, "warn"),
        ([witness("a", 10), witness("b", None, answers=False)], 2, "bad"),
        ([witness("a", 11)], 1, "bad"),
        ([witness("a", None)], 1, "ok"),
    ],
)
def test_custodians_answer_in_quorum_and_none_saw_a_longer_log(
    found: list[Witness], quorum: int, expected: str
) -> None:
    assert rules.custodians(found, quorum, 10).state == expected


def test_a_log_that_refuses_says_why() -> None:
    assert rules.log(5, "o", None, None).state == "ok"
    assert rules.log(5, "o", "DBAPIError", None).state == "bad"
    refusal = rules.log(5, "o", None, {"code": "evidence.log_fork", "zh": "分叉", "en": "fork"})
    assert (refusal.state, refusal.line_zh, refusal.line_en) == ("bad", "分叉", "fork")


@pytest.mark.parametrize(
    ("worm", "low", "state"),
    [
        ("enforced", False, "ok"),
        ("enforced", True, "bad"),
        ("unknown", False, "warn"),
        ("not offered (disk)", False, "warn"),
        ("NOT enforced", False, "bad"),
    ],
)
def test_a_store_that_may_forget_is_said_loudly(worm: str, low: bool, state: str) -> None:
    found = rules.store({"store": "s3", "worm": worm, "worm_faults": ["no object lock"]}, low=low)
    assert found.state == state
    assert ("no object lock" in found.line_en) == (worm == "NOT enforced")


ENDED = {"state": "done", "verdict": "clean", "finished_at": "2026-11-21T02:00:00Z", "counts": {"missing": 0}}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ok"),
        ({"counts": {"damaged": 1}, "verdict": "findings"}, "bad"),
        ({"counts": {"unreferenced": 2}, "verdict": "findings"}, "warn"),
        ({"finished_at": "2026-11-18T02:00:00Z"}, "warn"),
        ({"state": "never", "verdict": "never", "finished_at": None}, "warn"),
        ({"state": "running", "verdict": "running", "finished_at": None}, "ok"),
        ({"state": "cancelled", "verdict": "cancelled"}, "warn"),
    ],
)
def test_the_sweep_is_clean_recent_and_without_findings(changes: dict[str, Any], state: str) -> None:
    assert rules.sweep(ENDED | changes, NOW).state == state


def test_renewal_is_due_in_time() -> None:
    assert [rules.renewal(*given, 90).state for given in ((0, 0), (0, 2), (1, 2))] == ["ok", "warn", "bad"]


@given(st.lists(st.sampled_from(["ok", "warn", "bad"])))
def test_the_whole_is_as_bad_as_its_worst_part(states: list[Any]) -> None:
    parts = [rules.part("log", state, "", "") for state in states]
    order = ["ok", "warn", "bad"]
    assert rules.worst(parts) == max(states, key=order.index, default="ok")
