"""Kill -9 of any process in the middle of captures: nothing twice, nothing lost."""

import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kill import Outcome, all_evidence, client, kill_one, listing_urls, order, wait_for_ends
from tests.stack import Stack, free_port_pair, start, stop

WORKING = ["worker-capture", "evidence", "crawler"]
ALL = [*WORKING, "worker-default", "beat", "gateway", "postgres", "redis", "tsa", "custodian"]


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """A platform of this test's own, because it is going to be hurt."""
    home = Path(tempfile.mkdtemp(prefix="wj-kill-"))
    stack = start(home, free_port_pair())
    yield stack
    stop(stack)
    shutil.rmtree(home, ignore_errors=True)


def run(stack: Stack, captures: int, victims: list[str], kills: int, seed: int) -> Outcome:
    """Order captures, kill while they run, wait for every end."""
    choice, outcome = random.Random(seed), Outcome()
    with client(stack) as http:
        before = set(all_evidence(http))
        ids = [order(http, url, f"kill-{seed}-{n}") for n, url in enumerate(listing_urls(stack, captures))]
        assert len(set(ids)) == captures
        for _ in range(kills):
            time.sleep(choice.uniform(1.0, 4.0))
            killed = kill_one(stack, choice, victims)
            if killed:
                outcome.killed[killed] += 1
        outcome.captures = wait_for_ends(http, ids, patience=60 + 15 * captures)
        outcome.evidence = {key: item for key, item in all_evidence(http).items() if key not in before}
    return outcome


def check(stack: Stack, outcome: Outcome) -> None:
    """Each order ended once: a sealed item that verifies, or a stated failure without an item."""
    for number, capture in outcome.captures.items():
        if capture["state"] == "sealed":
            assert outcome.evidence[number]["evidence_no"] == capture["evidence_no"]
        else:
            assert capture["reason"], f"{number} failed without a reason"
            assert number not in outcome.evidence
    assert set(outcome.evidence) <= set(outcome.captures), "evidence nobody ordered"
    numbers = sorted(str(item["evidence_no"]) for item in outcome.evidence.values())
    assert len(set(numbers)) == len(numbers)
    dense = [int(number.rsplit("-", 1)[1]) for number in numbers]
    assert dense == list(range(dense[0], dense[0] + len(dense))), f"a gap or a repeat in {numbers}"
    with client(stack) as http:
        for number in outcome.evidence:
            report = http.post(f"/evidence/{number}/verification").json()
            assert report["verdict"] == "VALID", report


@pytest.mark.stack
@pytest.mark.timeout(400)
def test_killing_the_working_processes(own_stack: Stack) -> None:
    outcome = run(own_stack, captures=6, victims=WORKING, kills=4, seed=1)
    check(own_stack, outcome)
    assert sum(outcome.killed.values()) >= 3, "the test killed too little to show anything"


@pytest.mark.slow
@pytest.mark.stack
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [2, 3])
def test_killing_any_process_in_twenty_captures(own_stack: Stack, seed: int) -> None:
    outcome = run(own_stack, captures=20, victims=ALL, kills=15, seed=seed)
    check(own_stack, outcome)
    assert len(outcome.killed) >= 5


@pytest.mark.slow
@pytest.mark.stack
@pytest.mark.timeout(900)
def test_killing_the_launcher_itself() -> None:
    home, port = Path(tempfile.mkdtemp(prefix="wj-kill-")), free_port_pair()
    stack = start(home, port)
    with client(stack) as http:
        before = set(all_evidence(http))
        ids = [order(http, url, f"launcher-{n}") for n, url in enumerate(listing_urls(stack, 5))]
    time.sleep(3)
    stack.process.kill()
    stack.process.wait()
    again = start(home, port)
    try:
        with client(again) as http:
            captures = wait_for_ends(http, ids, patience=180)
            made = {key: item for key, item in all_evidence(http).items() if key not in before}
            check(again, Outcome(captures, made))
    finally:
        stop(again)
        shutil.rmtree(home, ignore_errors=True)
