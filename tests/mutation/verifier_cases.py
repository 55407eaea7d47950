"""The whole tamper matrix as one test, its files made once, before any mutant: each run is short."""

from tests.evidence_matrix.batches import batch
from tests.evidence_matrix.collected import all_cases
from tests.evidence_matrix.reasons import recorded, steady
from tests.evidence_matrix.world import Attempt, World

WORLD = World()
RECORDED = recorded()
MADE = [(case, case.make(WORLD)) for case in all_cases()]
HONEST = [
    WORLD.attempt(),
    WORLD.redacted(["evidence/page.png"]),
    WORLD.disclosed("evidence/text.txt"),
    WORLD.custody(),
    Attempt(WORLD.seal(WORLD.statement, stamps=lambda e: {**WORLD.stamps(e), **batch(WORLD, e)[0]})),
]
VERDICTS = ["VALID", "REDACTED", "DISCLOSED", "LOGGED", "VALID"]


def test_the_honest():
    assert [WORLD.report(attempt)["verdict"] for attempt in HONEST] == VERDICTS


def test_every_case():
    for case, attempt in MADE:
        report = WORLD.report(attempt)
        told = {check["code"]: steady(check["detail"]) for check in report["checks"] if not check["ok"]}
        assert report["verdict"] == "INVALID", case
        words = RECORDED[f"{case.group}: {case.name}"]
        assert words["failed"] in (None, sorted(told)), case
        assert words["reason"] in (None, told[case.code]), case
