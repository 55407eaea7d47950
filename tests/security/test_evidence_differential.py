"""Two verifiers, written apart, must say the same of every package: Python and TypeScript."""

import io
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from services.evidence.verification.verifier import (
    Unreadable,
    is_package,
    read_trust,
    verify,
    verify_custody,
    verify_disclosure,
)
from tests.evidence_mutants import House, Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
CLI = ROOT / "web" / "verify" / "dist-cli" / "cli.js"
BUNDLED = ROOT / "build" / "node" / "path"


@dataclass(frozen=True)
class Answer:
    """What one verifier says."""

    verdict: str
    failed: frozenset[str]
    details: dict[str, str]


def python_says(mutant: Mutant) -> Answer:
    """The answer of the verifier in Python."""
    try:
        trust = read_trust(mutant.trust)
        report = _report(mutant, trust)
    except Unreadable as error:
        return Answer("UNUSABLE", frozenset(), {"reason": str(error)})
    failed = {check["code"]: check["detail"] for check in report["checks"] if not check["ok"]}
    return Answer(report["verdict"], frozenset(failed), failed)


def _report(mutant: Mutant, trust: dict[str, Any]) -> dict[str, Any]:
    if mutant.what.startswith("disclosure"):
        file = None if mutant.artefact is None else io.BytesIO(mutant.artefact)
        return verify_disclosure(mutant.package, file, trust)
    if mutant.what.startswith("custody"):
        return verify_custody(mutant.package, trust)
    if not is_package(io.BytesIO(mutant.package)):
        raise Unreadable("不是证据包", "not a package")
    package = io.BytesIO(mutant.package)
    return verify(package, trust, record=mutant.record, now=mutant.now, package_sm3=False)


def typescript_says(cases: list[Mutant], folder: Path) -> Iterator[Answer]:
    """The answers of the verifier in TypeScript, run by Node."""
    lines = []
    trusts = {trust: folder / f"{n}.json" for n, trust in enumerate({mutant.trust for mutant in cases})}
    for trust, file in trusts.items():
        file.write_bytes(trust)
    for place, mutant in enumerate(cases):
        package = folder / f"{place}.wacz"
        package.write_bytes(mutant.package)
        job = {"package": str(package), "trust": str(trusts[mutant.trust])}
        if mutant.artefact is not None:
            job["artefact"] = str(folder / f"{place}.bin")
            Path(job["artefact"]).write_bytes(mutant.artefact)
        if mutant.record is not None:
            job["record"] = str(folder / f"{place}.er")
            Path(job["record"]).write_bytes(mutant.record)
        if mutant.now is not None:
            job["now"] = mutant.now.isoformat().replace("+00:00", "Z")
        lines.append(json.dumps(job))
    assert CLI.is_file(), "the TypeScript verifier is not built: sh infra/bootstrap.sh web"
    done = subprocess.run(
        [node(), str(CLI), "--lines"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=1800,
    )
    for line in done.stdout.splitlines():
        said = json.loads(line)
        yield Answer(said["verdict"], frozenset(said["failed"]), said["details"])


def node() -> str:
    """The Node that bootstrap.sh found or brought."""
    found = shutil.which("node", path=str(BUNDLED)) or shutil.which("node")
    assert found, "no Node: sh infra/bootstrap.sh web"
    return found


@cache
def houses() -> list[House]:
    """Deployments of each kind of keys."""
    return [
        House(("ed25519",), 1),
        House(("ecdsa-p256-sha256",), 2),
        House(("ed25519", "sm2-sm3"), 1),
        House(("ed25519",), 2),
    ]


def compare(cases: list[Mutant], folder: Path) -> Counter[str]:
    """Run both; fails with everything they do not agree on. Gives how often each verdict was said."""
    verdicts: Counter[str] = Counter()
    apart = []
    for mutant, theirs in zip(cases, typescript_says(cases, folder), strict=True):
        ours = python_says(mutant)
        verdicts[ours.verdict] += 1
        if (ours.verdict, ours.failed) != (theirs.verdict, theirs.failed):
            apart.append((mutant.what, ours, theirs))
    report = "\n".join(
        f"{what}\n  Python     {ours}\n  TypeScript {theirs}" for what, ours, theirs in apart[:20]
    )
    assert not apart, f"{len(apart)} of {len(cases)} differ\n{report}"
    return verdicts


def test_both_verifiers_agree(tmp_path: Path) -> None:
    verdicts = compare(mutants(1, 120, houses()), tmp_path)
    # Negative control: the cases are not all of one kind, so agreeing says something.
    assert verdicts["INVALID"] > 50
    assert all(verdicts[other] > 0 for other in ("VALID", "REDACTED", "DISCLOSED", "LOGGED")), verdicts


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_both_verifiers_agree_on_ten_thousand(tmp_path: Path, seed: int) -> None:
    verdicts = compare(mutants(seed, 1_000, houses()), tmp_path)
    assert sum(verdicts.values()) == 1_000
