"""流程图 the machines draw themselves: Mermaid state diagrams and tables for docs/workflows.md.

Command: python -m services.casework.workflow.diagram [--check] FILE
"""

import argparse
import sys
from pathlib import Path

from services.casework.cases.machine import CASE
from services.casework.clues.machine import CLUE
from services.casework.workflow.rules import RELATION_LABELS, Machine

MACHINES = (CLUE, CASE)
_HEAD = """# 业务流程 · Workflows

<!-- 本页由程序生成，请勿手改 · generated: python -m services.casework.workflow.diagram docs/workflows.md -->

状态机是数据：接口、可执行的操作与本页出自同一处声明。不合流程的操作以 409 拒绝，并给出当前可执行的操作。
依据一栏标“待核”者凭记忆引用，须核对原文后方可作为依据。

The state machines are data: the API, the steps it offers and this page come from one declaration. A step
that does not fit is refused with 409 and the possible ones. Articles marked 待核 were cited from memory and
must be read again before they are relied on.
"""


def mermaid(machine: Machine) -> str:
    """A machine as a Mermaid `stateDiagram-v2`."""
    lines = ["stateDiagram-v2", "    direction LR"]
    lines += [f'    state "{s.zh} {s.code}" as {s.code}' for s in machine.states]
    lines.append(f"    [*] --> {machine.initial}")
    lines += [
        f"    {source} --> {t.target}: {t.zh} {t.action}" for t in machine.transitions for source in t.sources
    ]
    lines += [f"    {s.code} --> [*]" for s in machine.states if s.final]
    return "\n".join(lines)


def section(machine: Machine) -> str:
    """A machine as a section of the page: diagram and table of steps."""
    rows = [
        "| 操作 step | 从 from | 到 to | 谁 who | 权限 permission | 必填 required | 依据 article |",
        "|---|---|---|---|---|---|---|",
    ]
    for t in machine.transitions:
        sources = "、".join(machine.state(s).zh for s in t.sources)
        required = "、".join(f.zh for f in t.fields if f.required) or "—"
        article = t.article if t.verified else f"{t.article} 待核"
        who, target = RELATION_LABELS[t.relation][0], machine.state(t.target).zh
        cells = [f"{t.zh} `{t.action}`", sources, target, who, f"`{t.permission}`", required, article]
        rows.append(f"| {' | '.join(cells)} |")
    title = f"## {machine.zh} · {machine.en.capitalize()}（{machine.version}）"
    return "\n".join([title, "", "```mermaid", mermaid(machine), "```", "", *rows, ""])


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(section(machine) for machine in MACHINES)])


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or with --check say whether the file is current (exit code 1 when it is not)."""
    parser = argparse.ArgumentParser(prog="python -m services.casework.workflow.diagram")
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args(arguments)
    text = page()
    if given.check:
        current = given.file.is_file() and given.file.read_text(encoding="utf-8") == text
        if not current:
            print(f"{given.file} 已过期，请重新生成 · is not current, generate it again", file=sys.stderr)
        return 0 if current else 1
    given.file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
