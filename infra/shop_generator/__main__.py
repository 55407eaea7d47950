"""`python -m infra.shop_generator --shops N --seed S --hubs X --out shops.csv --truth truth.csv`."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from infra.shop_generator.spelling import columns
from infra.shop_generator.world import make


def main(argv: list[str] | None = None) -> int:
    """Write the shops and who operates them; 0, or 2 with one line on a bad argument."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.shop_generator",
        description="带隐藏经营者的网店样本 / shops with hidden operators and super-nodes",
    )
    parser.add_argument("--shops", type=int, default=171_466, help="网店数 number of shops")
    parser.add_argument(
        "--seed", type=int, default=7, help="同一种子得同一结果 the same seed, the same shops"
    )
    parser.add_argument(
        "--hubs",
        type=float,
        default=1.0,
        help="枢纽倍数(1 约触及五分之一网店) super-nodes, 1: a fifth of the shops",
    )
    parser.add_argument("--out", type=Path, required=True, help="网店 the shops (CSV, UTF-8)")
    parser.add_argument("--truth", type=Path, help="各店的真实经营者 the operator of each shop (CSV)")
    given = parser.parse_args(argv)
    if given.shops < 1 or given.hubs < 0:
        parser.error("--shops ≥ 1, --hubs ≥ 0")
    world = make(given.shops, given.seed, given.hubs)
    table = columns(world)
    try:
        _write(given.out, list(table), zip(*table.values(), strict=True))
        if given.truth:
            operators = (f"O{number:08d}" for number in world.operator.tolist())
            _write(given.truth, ["id", "operator"], zip(table["id"], operators, strict=True))
    except OSError as error:
        print(f"无法写入 cannot write: {error}", file=sys.stderr)
        return 2
    print(
        f"网店 shops {world.shops}，经营者 operators {int(world.operator.max()) + 1}，"
        f"枢纽触及 touched by super-nodes {world.touched:.0%}"
    )
    return 0


def _write(path: Path, header: list[str], rows: object) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
