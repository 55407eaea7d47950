"""`python -m benchmarks [NAME ...]`: run the benchmarks and print one table."""

import argparse
import importlib
import json
import os
import pkgutil
import platform
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.row import Row

_PARTS = {"row", "double_hash", "registry_names", "registry_rows", "trigram_peer", "splink_peer"}
_NOT_BENCHMARKS = {*_PARTS, "__main__"}


def names() -> list[str]:
    """The benchmark modules of this folder."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(module.name for module in found if module.name not in _NOT_BENCHMARKS)


def machine() -> str:
    """The machine and its load now: figures mean little without them."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load}"


def table(rows: list[Row]) -> Table:
    """The rows as a table: ours, the floor, the ratio, the aim."""
    out = Table(title="ours / floor, both measured in this run")
    for heading in ("what", "ours", "floor", "floor is", "ratio", "aim", ""):
        out.add_column(heading, overflow="fold")
    for row in rows:
        aim = f"≤ {row.target_ratio:g}x" + (f" + {row.allowance:g} {row.unit}" if row.allowance else "")
        mark = "met" if row.met else "MISSED"
        out.add_row(
            row.name + (f"\n{row.note}" if row.note else ""),
            f"{row.ours:.4g} {row.unit}",
            f"{row.floor:.4g} {row.unit}",
            row.floor_label,
            f"{row.ratio:.2f}",
            aim,
            mark,
        )
    return out


def main() -> None:
    """Run the named benchmarks, or all; no figure decides the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("name", nargs="*", choices=[[], *names()], help="default: all")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    given = parser.parse_args()
    before, rows = machine(), []
    with tempfile.TemporaryDirectory(prefix="wj-bench-") as secrets:
        # Passphrases of the keys made here; the default place is the account's own and stays.
        os.environ["WANGJIAN_SECRETS_DIR"] = secrets
        for name in given.name or names():
            rows += importlib.import_module(f"benchmarks.{name}").rows()
    if given.json:
        print(
            json.dumps(
                {"machine": before, "rows": [asdict(row) for row in rows]}, ensure_ascii=False, indent=1
            )
        )
        return
    console = Console(width=None if Console().is_terminal else 150)
    console.print(f"before: {before}\nafter:  {machine()}")
    console.print(table(rows))


if __name__ == "__main__":
    main()
