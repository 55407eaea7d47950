"""State machines drawn for the documentation: a Mermaid diagram and a table of steps, from their own data."""

import sys
from pathlib import Path

from services.common.workflow import Machine


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
        who, target = machine.relations[t.relation][0], machine.state(t.target).zh
        cells = [f"{t.zh} `{t.action}`", sources, target, who, f"`{t.permission}`", required, article]
        rows.append(f"| {' | '.join(cells)} |")
    title = f"## {machine.zh} · {machine.en.capitalize()}（{machine.version}）"
    return "\n".join([title, "", "```mermaid", mermaid(machine), "```", "", *rows, ""])


def keep(file: Path, text: str, *, check: bool) -> int:
    """Write a page, or only say whether the file is current; gives the exit code (1 when it is not)."""
    if check:
        current = file.is_file() and file.read_text(encoding="utf-8") == text
        if not current:
            print(f"{file} 已过期，请重新生成 · is not current, generate it again", file=sys.stderr)
        return 0 if current else 1
    file.write_text(text, encoding="utf-8")
    return 0


def fill(page: str, name: str, drawn: str) -> str:
    """A page with what stands between `<!-- name -->` and `<!-- /name -->` replaced by what was drawn.

    Raises ValueError when the page has no such place.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no place for {name!r}")
    return f"{before}{begin}\n{drawn}\n{end}{after}"
