"""The files under check, and what a finding looks like."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CODE = ("gateway", "infra", "services", "wangjian")


@dataclass(frozen=True, order=True)
class Fault:
    """One finding: file (relative to the root), line, what is wrong."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Module:
    """One Python file, parsed."""

    path: Path
    """Relative to the root."""
    tree: ast.Module
    lines: int

    @property
    def service(self) -> str | None:
        """The service it belongs to: `gateway`, or the folder under services/; None elsewhere."""
        parts = self.path.parts
        if parts[0] == "gateway":
            return "gateway"
        return parts[1] if parts[0] == "services" and len(parts) > 2 else None

    @property
    def migration(self) -> bool:
        """Whether it is part of a schema history."""
        return "migrations" in self.path.parts


@cache
def tracked(root: Path) -> tuple[Path, ...]:
    """Files of the repository, those not yet added included, ignored ones not; relative to `root`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    if done.returncode == 0:
        names = [Path(name) for name in done.stdout.decode().split("\0") if name]
        return tuple(sorted(name for name in names if (root / name).is_file()))
    return tuple(sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file()))


@cache
def modules(root: Path, folders: tuple[str, ...] = CODE) -> tuple[Module, ...]:
    """Every Python file below these folders, parsed. Raises SyntaxError for one that does not parse."""
    found = []
    for path in tracked(root):
        if path.suffix == ".py" and path.parts[0] in folders:
            text = (root / path).read_text(encoding="utf-8")
            found.append(Module(path, ast.parse(text, filename=str(path)), text.count("\n") + 1))
    return tuple(found)


def imports(module: Module) -> list[tuple[str, int]]:
    """Every imported name in full (`a.b.c` for `from a.b import c`) with its line."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # from . import x
                package = module.path.parent.parts[: len(module.path.parent.parts) - node.level + 1]
                base = ".".join((*package, *filter(None, (node.module,))))
            found += [(f"{base}.{alias.name}", node.lineno) for alias in node.names]
    return found
