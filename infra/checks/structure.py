"""Who may do what: SQL only in repositories, services apart from each other, arrows one way inside a noun."""

import ast
import re
from pathlib import Path

from infra.checks.source import Fault, Module, imports, modules

STATEMENTS = {
    "select",
    "insert",
    "update",
    "delete",
    "text",
    "exists",
    "union",
    "union_all",
    "literal_column",
}
SQL_TEXT = re.compile(
    r"^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s*\()", re.S
)

RANK = {"models": 0, "schemas": 0, "rules": 0, "repository": 1, "service": 2, "routes": 3, "tasks": 3}
"""A room may import rooms of its own rank or lower: routes/tasks → service → rules, repository → models."""


def sql(root: Path) -> list[Fault]:
    """SQL outside repository.py, migrations, services/common; models.py may use text() for defaults."""
    faults = []
    for module in modules(root):
        if module.service in (None, "common") or module.migration or module.path.stem == "repository":
            continue
        allowed = {"text"} if module.path.stem == "models" else set()
        for name, line in imports(module):
            package, _, last = name.rpartition(".")
            if package.split(".")[0] == "sqlalchemy" and last in STATEMENTS - allowed:
                faults.append(Fault(str(module.path), line, f"SQL outside repository.py: {name}"))
        faults += [
            Fault(str(module.path), node.lineno, "SQL text outside repository.py")
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL_TEXT.match(node.value)
        ]
    return faults


def borders(root: Path) -> list[Fault]:
    """A service importing another service's rooms instead of its client, or anything of infra."""
    faults = []
    for module in modules(root):
        if module.service is None:
            continue
        for name, line in imports(module):
            reason = _crossing(module, name)
            if reason:
                faults.append(Fault(str(module.path), line, f"{reason}: {name}"))
    return faults


def _crossing(module: Module, name: str) -> str | None:
    parts = name.split(".")
    if parts[0] == "infra":
        return "a service stands on services.common, not on infra"
    owner = (
        "gateway"
        if parts[0] == "gateway"
        else parts[1]
        if parts[0] == "services" and len(parts) > 1
        else None
    )
    if owner in (None, "common", module.service):
        return None
    room = parts[1:2] if owner == "gateway" else parts[2:3]
    return None if room == ["client"] else "another service's room; only its client may be imported"


def arrows(root: Path) -> list[Fault]:
    """A room importing a room above it, and rules that touch the database or the network."""
    faults = []
    for module in modules(root):
        rank = RANK.get(module.path.stem)
        if rank is None or module.service is None or module.migration:
            continue
        for name, line in imports(module):
            parts = name.split(".")
            if parts[0] not in ("services", "gateway") or parts[1] == "common":
                if module.path.stem == "rules" and parts[0] in ("sqlalchemy", "httpx", "aiohttp", "psycopg"):
                    faults.append(Fault(str(module.path), line, f"rules are pure: {name}"))
                continue
            above = [part for part in parts[1:] if RANK.get(part, -1) > rank]
            if above:
                faults.append(
                    Fault(str(module.path), line, f"{module.path.stem} must not import {above[0]}: {name}")
                )
    return faults
