"""Command: python -m infra.checks [FOLDER]. Prints every finding; exit code 1 when there is one."""

import os
import sys
import tempfile
from pathlib import Path

from infra.checks import locks, routes, shape, structure
from infra.checks.source import Fault

CHECKS = (
    structure.sql,
    structure.borders,
    structure.arrows,
    shape.length,
    shape.names,
    shape.words,
    locks.python,
    locks.node,
    routes.permissions,
)


def run(root: Path) -> list[Fault]:
    """Findings of all checks, in order of file and line."""
    return sorted(fault for check in CHECKS for fault in check(root))


def main() -> int:
    """Exit code."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    with tempfile.TemporaryDirectory() as home:  # applications are made, and may make keys: not in var/
        os.environ["WANGJIAN_HOME"] = home
        faults = run(root)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
