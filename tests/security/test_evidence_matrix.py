"""The tamper matrix (docs/evidence/tamper-matrix.md): each case INVALID with its code, the honest not."""

import os
import random
from concurrent.futures import ProcessPoolExecutor

import pytest

from services.evidence.verification.verifier import CUSTODY_STEPS, DISCLOSURE_STEPS, STEPS
from tests.evidence_matrix.__main__ import TABLE, table
from tests.evidence_matrix.batches import batch
from tests.evidence_matrix.collected import all_cases
from tests.evidence_matrix.reasons import recorded, steady
from tests.evidence_matrix.world import Attempt, Case, World
from tests.evidence_samples import sample_artefacts

CASES = all_cases()
RECORDED = recorded()
AGAIN = "the words of the verifier changed; if that is meant: python -m tests.evidence_matrix"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def failed(world: World, attempt: Attempt) -> list[str]:
    return [check["code"] for check in world.report(attempt)["checks"] if not check["ok"]]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.group}: {case.name}" for case in CASES])
def test_tampered(world: World, case: Case):
    report = world.report(case.make(world))
    assert report["verdict"] == "INVALID"
    assert case.code in {check["code"] for check in report["checks"] if not check["ok"]}
    assert report["facts"] == {}, "an invalid package tells no facts"
    words = RECORDED[f"{case.group}: {case.name}"]
    told = {check["code"]: steady(check["detail"]) for check in report["checks"] if not check["ok"]}
    assert words["failed"] in (None, sorted(told)), AGAIN
    assert words["reason"] in (None, told[case.code]), AGAIN


def test_there_are_enough_cases_and_each_check_is_named():
    assert len(CASES) >= 120
    assert len({(case.group, case.name) for case in CASES}) == len(CASES)
    steps = {step[0] for step in [*STEPS, *DISCLOSURE_STEPS, *CUSTODY_STEPS]}
    assert steps == {case.code for case in CASES}


@pytest.mark.parametrize(
    "algorithms", [("ed25519",), ("ecdsa-p256-sha256",), ("sm2-sm3",), ("ecdsa-p256-sha256", "sm2-sm3")]
)
def test_the_unchanged_package_of_each_suite_is_valid(algorithms):
    world = World(algorithms, 1)
    assert failed(world, world.attempt()) == []


def test_the_unchanged_of_each_kind_pass(world):
    """Negative control: what the cases start from is genuine."""
    kinds = {
        "VALID": world.attempt(),
        "REDACTED": world.redacted(["evidence/page.png", "evidence/text.txt"]),
        "DISCLOSED": world.disclosed("evidence/text.txt"),
        "LOGGED": world.custody(),
    }
    for verdict, attempt in kinds.items():
        report = world.report(attempt)
        assert report["verdict"] == verdict, report["checks"]
        assert report["facts"]
    batched = world.seal(world.statement, stamps=lambda e: {**world.stamps(e), **batch(world, e)[0]})
    assert failed(world, Attempt(batched)) == []
    resealed = world.insider(lambda p, s: p["target"].update(title="另一标题"))
    assert failed(world, resealed) == []
    assert failed(world, world.trusting(lambda t: None)) == []


def test_the_table_is_the_one_in_the_docs():
    assert TABLE.read_text("utf-8") == table(CASES, RECORDED), AGAIN


# --- no false alarms --------------------------------------------------------------------------------------


def honest(seed: int) -> list[str]:
    """Failed checks of an honest package of random suites, operators, sizes and content."""
    rng = random.Random(seed)
    suites = [("ed25519",), ("ecdsa-p256-sha256",), ("sm2-sm3",), ("ed25519", "sm2-sm3")]
    world = World(rng.choice(suites), rng.randint(1, 3))
    found = []
    for _ in range(20):
        extra = {f"evidence/x{n}.bin": rng.randbytes(rng.randrange(2000)) for n in range(rng.randrange(12))}
        world.artefacts = sample_artefacts(extra)
        world.__dict__.pop("_statement", None)
        stamps = (lambda e: {**world.stamps(e), **batch(world, e)[0]}) if rng.random() < 0.3 else None
        package = world.seal(world.statement, stamps=stamps)
        world.files = World.unzip(package)
        attempts = {"VALID": Attempt(package)}
        name = rng.choice(sorted(world.artefacts))
        attempts["REDACTED"] = world.redacted([name])
        attempts["DISCLOSED"] = world.disclosed(name)
        for verdict, attempt in attempts.items():
            report = world.report(attempt)
            if report["verdict"] != verdict:
                found.append(f"seed {seed}: {[c for c in report['checks'] if not c['ok']]}")
    return found


def test_a_few_honest_packages_raise_no_alarm():
    assert honest(1) == []


@pytest.mark.slow
def test_a_thousand_honest_packages_raise_no_alarm():
    """WANGJIAN_TEST_CLEAN_PACKAGES=10000 is the nightly number."""
    wanted = int(os.environ.get("WANGJIAN_TEST_CLEAN_PACKAGES", "1000"))
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        alarms = [alarm for found in pool.map(honest, range(2, 2 + -(-wanted // 20))) for alarm in found]
    assert alarms == []
