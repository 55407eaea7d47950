"""认领流程图 the machine draws itself into the documentation.

Command: python -m services.registry.claims.diagram [--check] FILE
"""

import argparse
from pathlib import Path

from services.common.diagram import fill, keep, section
from services.registry.claims.machine import CLAIM
from services.registry.verifications.machine import STATUS, VERIFICATION


def page(text: str) -> str:
    """The page with its drawn parts as the machines are now. Raises ValueError without a place for them."""
    for machine in (CLAIM, VERIFICATION, STATUS):
        text = fill(text, f"machine:{machine.name}", section(machine))
    return text


def main(arguments: list[str] | None = None) -> int:
    """Draw into the page, or with --check say whether it is current (exit code 1 when it is not)."""
    parser = argparse.ArgumentParser(prog="python -m services.registry.claims.diagram")
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args(arguments)
    return keep(given.file, page(given.file.read_text(encoding="utf-8")), check=given.check)


if __name__ == "__main__":
    raise SystemExit(main())
