"""Rules of time stamps without any authority: batches, waiting, breaker, the clock's second witness."""

import base64
import datetime as dt
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.evidence.log.merkle import leaf_hash, root_from_inclusion
from services.evidence.timestamps.batches import batch_text, make_batch
from services.evidence.timestamps.breaker import FIRST_PAUSE, LONGEST_PAUSE, Breaker
from services.evidence.timestamps.clock import Sighting, clock_disagreement_ms
from services.evidence.timestamps.waiting import limit_on, unstamped_state, unstamped_too_long
from services.evidence.verification.verifier.timestamps import batch_message

NOW = dt.datetime(2026, 11, 21, 8, tzinfo=dt.UTC)


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=40), st.data())
def test_batch_paths_lead_to_the_root_and_no_other_message_fits(messages, data):
    batch = make_batch(messages)
    index = data.draw(st.integers(0, len(messages) - 1))
    path = json.loads(batch.paths[index])
    assert rfc8785.dumps(path) == batch.paths[index]
    hashes = [base64.b64decode(item) for item in path["hashes"]]
    root = root_from_inclusion(leaf_hash(messages[index]), path["index"], path["size"], hashes)
    assert batch_text(path["size"], root) == batch.text == batch_message(batch.paths[index], messages[index])
    assert batch_message(batch.paths[index], messages[index] + b"x") != batch.text


def test_empty_batch_is_refused():
    with pytest.raises(ValueError, match="needs a message"):
        make_batch([])


@given(st.integers(0, 60 * 60 * 24 * 3))
def test_four_hour_rule(seconds):
    state = unstamped_state(NOW - dt.timedelta(seconds=seconds), NOW)
    hours = seconds / 3600
    assert state == ("refuse" if hours >= 4 else "warn" if hours >= 2.8 else "ok")


def test_nothing_waiting_is_ok_and_the_refusal_says_what_to_do():
    assert unstamped_state(None, NOW) == "ok"
    problem = unstamped_too_long(NOW - dt.timedelta(hours=5), NOW)
    assert (problem.code, problem.status) == ("evidence.unstamped_too_long", 503)
    assert "4" in problem.zh
    assert problem.todo_zh
    assert problem.todo_en
    assert limit_on(dt.date(2000, 1, 1)) == limit_on(dt.date(2026, 1, 1))


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 10), st.floats(0, 100)), max_size=40))
def test_breaker_never_shuts_for_longer_than_its_pause(events):
    breaker, now = Breaker(), 0.0
    for good, took, wait in events:
        now += wait
        if not breaker.admit(now):
            assert breaker.until > now
            continue
        now += took
        if good:
            breaker.succeeded()
        else:
            breaker.failed(took, now)
        assert breaker.pause == 0 or FIRST_PAUSE <= breaker.pause <= LONGEST_PAUSE
        assert breaker.state(now + LONGEST_PAUSE) != "open"


def test_half_open_breaker_lets_one_through():
    breaker = Breaker()
    breaker.failed(5.0, 0.0)
    assert not breaker.admit(1.0)
    assert breaker.admit(3.0)
    assert not breaker.admit(3.0), "one trial at a time"
    breaker.failed(5.0, 8.0)
    assert breaker.pause == 2 * FIRST_PAUSE


@given(st.floats(-5000, 5000), st.floats(0, 2000), st.floats(0, 2000), st.booleans())
def test_disagreement_is_what_accuracy_way_and_rounding_do_not_explain(delta, accuracy, way, whole):
    seen = Sighting(NOW, delta, accuracy, way, whole=whole)
    low, high = -accuracy - way / 2 - (1000 if whole else 0), accuracy + way / 2
    inside = low <= delta <= high
    assert (seen.excess_ms == 0) == inside or abs(seen.excess_ms) < 1e-9
    wrong = clock_disagreement_ms([seen, None], NOW)
    assert (wrong is not None) == (seen.excess_ms > 1000)
    assert clock_disagreement_ms([seen], NOW + dt.timedelta(hours=1)) is None, "too old to say anything"
