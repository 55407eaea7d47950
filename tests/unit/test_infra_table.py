"""The table of processes: what is started for which settings; the command's front door; bootstrap."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra.containers.healthy import healthy
from infra.launcher import once, table
from infra.launcher.home import Home
from infra.launcher.screen import Screen
from services.common.settings import DATABASES, Settings
from wangjian import cli

SOURCE = Path(__file__).resolve().parents[2]


def settings(tmp_path: Path, **more: object) -> Settings:
    return Settings(home=tmp_path / "home", port=18000, **more)  # type: ignore[arg-type]


def test_everything_is_started_and_told_where_the_others_are(tmp_path: Path) -> None:
    stack = table.build(settings(tmp_path), demo=True)
    assert [child.name for child in stack.children] == [
        *("postgres", "redis", "tsa", "custodian", "registry", "crawler", "evidence", "casework"),
        *("gateway", "worker-capture", "worker-default", "beat", "market"),
    ]
    sockets = settings(tmp_path).run_dir
    assert stack.env["WANGJIAN_EVIDENCE_URL"] == f"unix:{sockets}/evidence.sock"
    assert all(stack.env[f"WANGJIAN_DATABASE_URL_{name.upper()}"] for name in DATABASES)
    assert stack.url == "http://127.0.0.1:18000"


def test_what_has_an_external_address_is_not_started(tmp_path: Path) -> None:
    external = {f"database_url_{name}": f"postgresql+psycopg://db/{name}" for name in DATABASES}
    given = settings(
        tmp_path,
        **external,
        redis_url="redis://r:6379/0",
        tsa_url="http://tsa",
        evidence_url="http://evidence",
    )
    stack = table.build(given, demo=False)
    names = {child.name for child in stack.children}
    assert names.isdisjoint({"postgres", "redis", "tsa", "evidence", "market"})
    assert {"custodian", "registry", "gateway", "worker-capture"} <= names
    assert stack.env["WANGJIAN_DATABASE_URL_CASEWORK"] == "postgresql+psycopg://db/casework"
    assert stack.env["WANGJIAN_EVIDENCE_URL"] == "http://evidence"
    assert stack.env[table.EMBEDDED] == ""


def test_the_demo_market_may_be_captured_and_nothing_else_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANGJIAN_CAPTURE_ALLOW", "intranet.example:8443")
    allowed = table.build(settings(tmp_path), demo=True).env["WANGJIAN_CAPTURE_ALLOW"]
    parsed = Settings(capture_allow=allowed).capture_allow  # type: ignore[arg-type]
    assert ("intranet.example", 8443) in parsed
    assert ("127.0.0.1", 18001) in parsed
    assert {port for host, port in parsed if host != "intranet.example"} == {18001}
    assert (
        table.build(settings(tmp_path), demo=False).env["WANGJIAN_CAPTURE_ALLOW"] == "intranet.example:8443"
    )


async def test_an_interrupted_first_start_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    fail = {"gateway.bootstrap"}

    async def run(_: object, arguments: tuple[str, ...], *, capture: bool) -> tuple[int, str]:
        ran.append(arguments[0])
        return (1, "no") if arguments[0] in fail else (0, "")

    monkeypatch.setattr(once, "_run", run)
    home = Home(tmp_path, tmp_path / "run")
    home.make()
    stack = table.build(settings(tmp_path), demo=False)
    with pytest.raises(once.OnceFailed, match="operator"):
        await once.run(home, stack, Screen())
    fail.clear()
    await once.run(home, stack, Screen())
    await once.run(home, stack, Screen())
    assert ran == ["services.registry.bootstrap", "gateway.bootstrap", "gateway.bootstrap"]


def test_the_worker_knows_every_task() -> None:
    from infra.worker import app, task_modules

    assert "services.crawler.captures.tasks" in task_modules()
    assert {"crawler.run_capture", "common.relay_outbox"} <= set(app.tasks)


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wangjian", *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        cwd=SOURCE,
    )


def test_wrong_calls_are_one_line_and_exit_2(tmp_path: Path) -> None:
    unknown = command("nonsense")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert command("up", "--nonsense").returncode == 2
    for port, says in (("abc", "WANGJIAN_PORT"), ("70000", "70000"), ("0", "1–65535")):
        refused = command("up", "--no-demo", WANGJIAN_PORT=port, WANGJIAN_HOME=str(tmp_path / "home"))
        assert refused.returncode == 2, refused.stderr
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr
    blocked = tmp_path / "file"
    blocked.write_text("")
    refused = command("up", WANGJIAN_HOME=str(blocked / "home"))
    assert (refused.returncode, "WANGJIAN_HOME" in refused.stderr) == (2, True)


LOADED = """
import sys
from wangjian import cli
cli.usage()
loaded = {name.split(".")[0] for name in sys.modules}
print(len(loaded & {"typer", "pydantic", "sqlalchemy", "services"}))
"""


def test_help_lists_every_command_without_importing_any() -> None:
    text = cli.usage()
    assert all(
        f"  {name}" in text for name in ("up", "down", "status", "capture", "verify", "trust", "users")
    )
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=SOURCE
    )
    assert done.stdout == "0\n"


@pytest.fixture
def answering() -> Iterator[tuple[str, list[int]]]:
    codes = [200]

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(codes[0])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", codes
    server.shutdown()
    server.server_close()


def test_a_containers_health_check(answering: tuple[str, list[int]]) -> None:
    url, codes = answering
    assert healthy(url) is True
    codes[0] = 503
    assert healthy(url) is False
    assert healthy("http://127.0.0.1:1/") is False
    with pytest.raises(ValueError, match="not an http URL"):
        healthy("file:///etc/passwd")


def test_bootstrap_names_what_is_missing_in_one_line(tmp_path: Path) -> None:
    """As an ordinary user on a bare machine: nothing is installed, one line says what to run, exit code 2."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in (
        "sh",
        "mkdir",
        "dirname",
        "ls",
        "sort",
        "tr",
        "printf",
        "cat",
        "flock",
        "openssl",
        "apt-get",
    ):
        found = next((Path(p) / name for p in ("/usr/bin", "/bin") if (Path(p) / name).exists()), None)
        if found:
            (programs / name).symlink_to(found)
    (programs / "python3").symlink_to(sys.executable)
    (programs / "id").write_text("#!/bin/sh\necho 1000\n")
    (programs / "id").chmod(0o755)
    clone = tmp_path / "clone"
    (clone / "infra").mkdir(parents=True)
    (clone / "infra" / "bootstrap.sh").write_text((SOURCE / "infra" / "bootstrap.sh").read_text())
    done = subprocess.run(
        ["/bin/sh", str(clone / "infra" / "bootstrap.sh"), "runtime"],
        env={"PATH": str(programs), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "sudo apt-get install -y --no-install-recommends chromium" in done.stderr
    assert not (clone / ".venv").exists()
