"""The checks of our own: each finds its planted fault, and nothing in the clean twin."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.checks import locks, shape, structure
from infra.checks.source import Fault

Check = Callable[[Path], list[Fault]]


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


CASES: list[tuple[Check, str, str, str, str]] = [
    (structure.sql, "services__a__n__service_py", "from sqlalchemy import select\n", "", "sqlalchemy.select"),
    (
        structure.sql,
        "services__a__n__routes_py",
        'x = "SELECT 1 FROM t"\n',
        'x = "SELECTED goods"\n',
        "SQL text",
    ),
    (
        structure.sql,
        "services__a__n__models_py",
        "from sqlalchemy import update\n",
        "from sqlalchemy import text\n",
        "update",
    ),
    (
        structure.borders,
        "services__a__n__service_py",
        "from services.b.n.service import f\n",
        "from services.b.client import f\n",
        "only its client",
    ),
    (
        structure.borders,
        "services__a__n__service_py",
        "from services.b import tables\n",
        "from services.common import ids\n",
        "only its client",
    ),
    (
        structure.borders,
        "gateway__n__service_py",
        "import services.a.n.repository\n",
        "import services.a.client\n",
        "only its client",
    ),
    (
        structure.borders,
        "services__a__n__service_py",
        "from infra.launcher import up\n",
        "from services.a.n import rules\n",
        "not on infra",
    ),
    (
        structure.arrows,
        "services__a__n__repository_py",
        "from services.a.n import service\n",
        "from services.a.n import models\n",
        "must not import service",
    ),
    (
        structure.arrows,
        "services__a__n__service_py",
        "from services.a.n.routes import r\n",
        "from services.a.n.repository import r\n",
        "must not import routes",
    ),
    (
        structure.arrows,
        "services__a__n__rules_py",
        "from sqlalchemy.orm import Session\n",
        "import re\n",
        "rules are pure",
    ),
    (shape.length, "services__a__long_py", "x = 1\n" * 401, "x = 1\n" * 400, "401 lines"),
    (
        shape.length,
        "services__a__n_py",
        "def f():\n" + "    x = 1\n" * 50,
        "def f():\n" + "    x = 1\n" * 49,
        "f: 51 lines",
    ),
    (shape.names, "services__a__utils_py", "", "", "says nothing"),
    (shape.names, "services__a__n_py", "class ClueManager: ...\n", "class Clue: ...\n", "ClueManager"),
    (shape.words, "services__a__n_py", "# TO" + "DO later\n", "# todo_zh is a field\n", "left undone"),
    (shape.words, "docs__n_py", 'p = "/ro' + 'ot/x"\n', 'p = "a/root/x"\n', "one machine"),
]


@pytest.mark.parametrize(("check", "name", "bad", "good", "says"), CASES)
def test_finds_the_fault_and_passes_the_twin(
    tmp_path: Path, check: Check, name: str, bad: str, good: str, says: str
) -> None:
    found = check(tree(tmp_path / "bad", **{name: bad}))
    assert len(found) == 1
    assert says in str(found[0])
    if name.endswith("utils_py"):
        name = name.replace("utils", "numbers")
    assert check(tree(tmp_path / "good", **{name: good})) == []


def test_lock_files(tmp_path: Path) -> None:
    groups = '[dependency-groups]\nbuild = ["two"]\ndev = ["three-x[y]>=2"]\n'
    project = '[project]\ndependencies = ["one>=1"]\n' + groups
    good = "one==1 \\\n    --hash=sha256:aa\ntwo==1 \\\n    --hash=sha256:bb\n"
    files = {
        "pyproject.toml": project,
        "requirements.lock": good,
        "requirements-dev.lock": good + "three_x==2 \\\n    --hash=sha256:cc\n",
        "requirements-node.lock": good,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert locks.python(tmp_path) == []
    (tmp_path / "requirements.lock").write_text("--index-url https://mirror.example\none==1\n")
    assert {fault.text for fault in locks.python(tmp_path)} == {
        "names a host",
        "no hash: one",
        "lacks two; run make lock",
    }


def test_console_lock_file(tmp_path: Path) -> None:
    lock = tmp_path / "web" / "console" / "package-lock.json"
    lock.parent.mkdir(parents=True)
    lock.write_text('{"packages": {"": {}, "node_modules/a": {"integrity": "sha512-x"}}}')
    assert locks.node(tmp_path) == []
    lock.write_text('{"packages": {"": {}, "node_modules/a": {"resolved": "https://x/a.tgz"}}}')
    assert len(locks.node(tmp_path)) == 2


def test_this_repository_keeps_the_structure() -> None:
    root = Path(__file__).resolve().parents[2]
    for check in (structure.sql, structure.borders, structure.arrows, locks.python, locks.node):
        assert check(root) == []
