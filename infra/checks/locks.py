"""Lock files: complete, hashed, and naming no host, so that every mirror serves and every byte is checked."""

import json
import re
import tomllib
from pathlib import Path

from infra.checks.source import Fault

PYTHON_LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-node.lock")


def python(root: Path) -> list[Fault]:
    """Hosts in a lock file, packages without a hash, dependencies of pyproject.toml that it lacks."""
    faults = []
    for name in PYTHON_LOCKS:
        text = (root / name).read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            if "://" in line or line.startswith(("--index", "--extra-index", "--find-links")):
                faults.append(Fault(name, number, "names a host"))
        for package in re.finditer(r"^([A-Za-z0-9._-]+)==(?:.*\\\n)*.*", text, re.MULTILINE):
            if "--hash=sha256:" not in package.group(0):
                at = text.count("\n", 0, package.start()) + 1
                faults.append(Fault(name, at, f"no hash: {package.group(1)}"))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    faults += _missing(root / "requirements.lock", runtime)
    faults += _missing(root / "requirements-dev.lock", [*runtime, *project["dependency-groups"]["dev"]])
    return faults


def _missing(lock: Path, requirements: list[str]) -> list[Fault]:
    locked = {
        _plain(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(encoding="utf-8"), re.M)
    }
    wanted = [re.split(r"[\[<>=!~; ]", text, maxsplit=1)[0] for text in requirements]
    return [
        Fault(lock.name, 1, f"lacks {name}; run make lock") for name in wanted if _plain(name) not in locked
    ]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def node(root: Path) -> list[Fault]:
    """Hosts in the console's lock file, packages without a digest."""
    lock = root / "web" / "console" / "package-lock.json"
    if not lock.exists():
        return []
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    path = lock.relative_to(root).as_posix()
    faults = [
        Fault(path, 1, f"names a host: {name}") for name, facts in packages.items() if "resolved" in facts
    ]
    bare = [
        name for name, facts in packages.items() if name and "integrity" not in facts and "link" not in facts
    ]
    return faults + [Fault(path, 1, f"no digest: {name}") for name in bare if not _inside(name, packages)]


def _inside(name: str, packages: dict[str, dict[str, object]]) -> bool:
    """A package bundled in another's archive is covered by that one's digest."""
    return bool(packages[name].get("inBundle"))
