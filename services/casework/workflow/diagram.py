"""流程图 the machines draw themselves: Mermaid state diagrams and tables for docs/workflows.md.

Command: python -m services.casework.workflow.diagram [--check] FILE
"""

import argparse
from pathlib import Path

from services.casework.cases.machine import CASE
from services.casework.clues.machine import CLUE
from services.common.diagram import keep, section

MACHINES = (CLUE, CASE)
_HEAD = """# 业务流程 · Workflows

<!-- 本页由程序生成，请勿手改 · generated: python -m services.casework.workflow.diagram docs/workflows.md -->

状态机是数据：接口、可执行的操作与本页出自同一处声明。不合流程的操作以 409 拒绝，并给出当前可执行的操作。
依据一栏标“待核”者凭记忆引用，须核对原文后方可作为依据。

The state machines are data: the API, the steps it offers and this page come from one declaration. A step
that does not fit is refused with 409 and the possible ones. Articles marked 待核 were cited from memory and
must be read again before they are relied on.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(section(machine) for machine in MACHINES)])


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or with --check say whether the file is current (exit code 1 when it is not)."""
    parser = argparse.ArgumentParser(prog="python -m services.casework.workflow.diagram")
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args(arguments)
    return keep(given.file, page(), check=given.check)


if __name__ == "__main__":
    raise SystemExit(main())
