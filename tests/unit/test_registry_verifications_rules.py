"""When a check is due, and what its result says of the presence."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.registry.verifications.machine import STATUS, VERIFICATION
from services.registry.verifications.rules import due_at, outcome

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


@given(st.integers(0, 2**40), st.integers(1, 1000))
def test_the_first_round_lies_within_the_interval(no: int, every: int) -> None:
    assert BEGAN <= due_at(None, BEGAN, every, no) < BEGAN + timedelta(days=every)
    last = BEGAN + timedelta(days=3)
    assert due_at(last, BEGAN, every, no) == last + timedelta(days=every)


def test_no_day_of_the_first_round_has_them_all() -> None:
    days = Counter(due_at(None, BEGAN, 30, no).date() for no in range(1, 3001))
    assert len(days) == 30 and max(days.values()) == 100


@given(
    st.sampled_from(["dead_link", "mismatch", "not_ours"]),
    st.sampled_from([t.action for t in VERIFICATION.transitions]),
    st.sampled_from([*(s.code for s in STATUS.states), "merged"]),
)
def test_a_result_only_ever_moves_between_active_and_dead(check_class: str, action: str, status: str) -> None:
    result = outcome(check_class, action, status)
    told = check_class == "dead_link" and action in {"pass", "fail"}
    assert (result.alive is not None) == told
    if result.status != status:
        assert {status, result.status} == {"active", "dead"} and told
        assert (result.status == "active") == result.alive
    else:
        assert result.action is None
