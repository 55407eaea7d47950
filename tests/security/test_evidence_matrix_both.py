"""Both verifiers, Python and TypeScript, say the same of every case of the tamper matrix."""

import json
from pathlib import Path

import pytest

from tests.evidence_matrix.collected import all_cases
from tests.evidence_matrix.world import Attempt, World
from tests.evidence_mutants import Mutant
from tests.security.test_evidence_differential import compare

_WHAT = {"package": "package", "disclosure": "disclosure", "custody": "custody proof"}


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_both_verifiers_agree_on_the_tamper_matrix(tmp_path: Path, every: int) -> None:
    """Each case, or each fifth. A document of an unknown schema is of no kind, so no verifier is asked."""
    world = World()
    attempts = {f"{case.group}: {case.name}": case.make(world) for case in list(all_cases())[::every]}
    asked = [
        _mutant(world, name, attempt) for name, attempt in attempts.items() if "unknown schema" not in name
    ]
    verdicts = compare(asked, tmp_path)
    assert verdicts["INVALID"] > 600 // every
    honest = {"honest": world.attempt(), "redacted": world.redacted(["evidence/page.png"])}
    assert "INVALID" not in compare([_mutant(world, *item) for item in honest.items()], tmp_path)


def _mutant(world: World, name: str, attempt: Attempt) -> Mutant:
    trust = json.dumps(attempt.trust or world.document()).encode()
    what = f"{_WHAT[attempt.kind]}, {name}"
    return Mutant(what, attempt.data, trust, attempt.file, attempt.record, attempt.now)
