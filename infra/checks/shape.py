"""Length and words: short files and functions, names that say something, nothing left undone."""

import ast
import re
from pathlib import Path

from infra.checks.source import CODE, Fault, modules, tracked

FILE_LINES = 400
FUNCTION_LINES = 50
COUNTED = {".py", ".ts", ".vue", ".css", ".sh"}
GENERATED = re.compile(r"(^|/)(migrations|data)/|\.d\.ts$|/generated/")
EMPTY_NAMES = re.compile(r"(^|_)(helpers?|managers?|utils?)($|_)|(Helper|Manager|Utils?)$", re.IGNORECASE)
UNDONE = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.-])/(work|root)/\w|/tmp/wj" + r"/")
TEXT = {*COUNTED, ".md", ".toml", ".yml", ".yaml", ".json", ".html", ".js", ".sql"}


def length(root: Path) -> list[Fault]:
    """Files of more than 400 lines, functions of more than 50 (tests excepted)."""
    faults = []
    for path in tracked(root):
        if path.suffix in COUNTED and not GENERATED.search(path.as_posix()):
            lines = (root / path).read_text(encoding="utf-8").count("\n")
            if lines > FILE_LINES:
                faults.append(Fault(str(path), 1, f"{lines} lines, at most {FILE_LINES}"))
    for module in modules(root):
        if module.migration:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    faults.append(Fault(str(module.path), node.lineno, f"{node.name}: {lines} lines"))
    return faults


def names(root: Path) -> list[Fault]:
    """Files, classes and functions called helper, manager or utils: such a name hides what they do."""
    faults = []
    for module in modules(root):
        if EMPTY_NAMES.search(module.path.stem):
            faults.append(Fault(str(module.path), 1, "a name that says nothing"))
        faults += [
            Fault(str(module.path), node.lineno, f"a name that says nothing: {node.name}")
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and EMPTY_NAMES.search(node.name)
        ]
    return faults


def words(root: Path) -> list[Fault]:
    """Work left undone, and paths of one particular machine."""
    faults = []
    for path in tracked(root):
        if path.suffix not in TEXT and path.name not in ("Makefile", "Dockerfile", "Caddyfile"):
            continue
        if path.name == "package-lock.json":
            continue
        for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
            if path.parts[0] in (*CODE, "web", "tests") and UNDONE.search(line):
                faults.append(Fault(str(path), number, "left undone"))
            if MACHINE_PATHS.search(line):
                faults.append(Fault(str(path), number, "a path of one machine"))
    return faults
