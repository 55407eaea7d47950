"""What the verifier says of each case, as recorded: the checks that fail, and why the named one does."""

import json
import re
from pathlib import Path
from typing import Any

from services.evidence.verification.verifier import Failed, Unreadable, read_trust
from tests.evidence_matrix.trusts import apply, spoilt
from tests.evidence_matrix.world import Case, World

FILE = Path(__file__).with_name("reasons.json")
_RUNS = 3
_VARYING = (
    (re.compile(r"not checkable \(.*\)", re.DOTALL), "not checkable"),
    (re.compile(r"not JSON: .*", re.DOTALL), "not JSON"),
    (re.compile(r"[0-9a-f]{16}…"), "<key>…"),
    (re.compile(r"[0-9a-f]{64}"), "<hash>"),
    (re.compile(r"\d+ bytes"), "<n> bytes"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?"), "<time>"),
)


def steady(detail: str) -> str:
    """A check's words without what differs from run to run: keys, times, the interpreter's own words."""
    for pattern, word in _VARYING:
        detail = pattern.sub(word, detail)
    return detail


def said(world: World, case: Case) -> dict[str, Any]:
    """{failed: all failed checks, reason: why the named one fails}."""
    checks = [check for check in world.report(case.make(world))["checks"] if not check["ok"]]
    reasons = {check["code"]: steady(check["detail"]) for check in checks}
    return {"failed": sorted(reasons), "reason": reasons.get(case.code)}


def _honest(world: World) -> dict[str, dict[str, Any]]:
    attempts = {
        "VALID": world.attempt(),
        "REDACTED": world.redacted(["evidence/page.png", "evidence/text.txt"]),
        "DISCLOSED": world.disclosed("evidence/text.txt"),
        "LOGGED": world.custody(),
    }
    return {
        f"honest: {verdict}": {
            check["code"]: steady(check["detail"]) for check in world.report(attempt)["checks"]
        }
        for verdict, attempt in attempts.items()
    }


def refusal(world: World, path: str, value: Any) -> str:
    """Why a trust file spoilt there is refused. Raises AssertionError when it is not."""
    document = world.document()
    apply(document, path, value)
    try:
        read_trust(json.dumps(document).encode())
    except Unreadable as error:
        # A library's own words differ from version to version.
        return steady(str(error)) if isinstance(error.__cause__, Failed | KeyError) else "refused"
    raise AssertionError(f"{path}: {value} was accepted")


def trust_refusals() -> dict[str, str]:
    """Why each spoilt trust file is refused, as recorded."""
    return recorded()["trust"]


def recorded() -> dict[str, dict[str, Any]]:
    """What was recorded, by `group: name`. A null differs from run to run."""
    return dict(json.loads(FILE.read_text("utf-8")))


def record(cases: list[Case]) -> dict[str, dict[str, Any]]:
    """Record anew, in several deployments: what is not the same in all of them becomes null."""
    worlds = [World() for _ in range(_RUNS)]
    found = {}
    for case in cases:
        told = [said(world, case) for world in worlds]
        found[f"{case.group}: {case.name}"] = {
            key: told[0][key] if case.steady and all(one[key] == told[0][key] for one in told) else None
            for key in told[0]
        }
    found |= _honest(worlds[0])
    found["trust"] = {name: refusal(worlds[0], path, value) for name, path, value in spoilt()}
    FILE.write_text(json.dumps(found, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    return found
