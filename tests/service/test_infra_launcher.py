"""Supervision with small real child processes: restart, order of stopping, nothing left behind."""

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.embedded import process
from infra.embedded.refusal import Refused
from infra.launcher import logs, orphans, probes
from infra.launcher.child import Child
from infra.launcher.home import Home
from infra.launcher.supervisor import Policy, StartFailed, Supervisor

QUICK = Policy(first_delay=0.05, longest_delay=0.2, settled_after=5, probe_every=0.01)
SOURCE = Path(__file__).resolve().parents[2]


def fake(folder: Path, name: str, stage: int = 0, script: str | None = None, **more: object) -> Child:
    """A child that writes NAME.up, waits, and appends its name to `stopped` when asked to end."""
    script = script or (
        f"trap 'echo {name} >> {folder}/stopped; exit 0' TERM; echo $$ > {folder}/{name}.up; "
        "while :; do sleep 0.02; done"
    )
    return Child(
        name=name,
        zh=name,
        argv=lambda: ("/bin/sh", "-c", script),
        env={"PATH": "/usr/bin:/bin"},
        stage=stage,
        ready=probes.file_exists(folder / f"{name}.up"),
        prepare=lambda: (folder / f"{name}.up").unlink(missing_ok=True),
        **more,  # type: ignore[arg-type]
    )


class Told(list[tuple[str, str]]):
    def __call__(self, name: str, zh: str, en: str) -> None:
        self.append((name, en))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def supervisor(tmp_path: Path, told: Told) -> Supervisor:
    return Supervisor(tmp_path / "log", orphans.Register(tmp_path / "children.json"), told, QUICK)


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.01)


async def test_starts_restarts_and_stops_in_reverse_order(
    tmp_path: Path, supervisor: Supervisor, told: Told
) -> None:
    await supervisor.start([fake(tmp_path, "bottom", 0)])
    await supervisor.start([fake(tmp_path, "middle", 1), fake(tmp_path, "top", 2)])
    assert {status.state for status in supervisor.status.values()} == {"ready"}

    victim = supervisor.status["middle"].pid
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    await until(
        lambda: supervisor.status["middle"].state == "ready" and supervisor.status["middle"].pid != victim
    )
    assert supervisor.status["middle"].restarts == 1
    assert ("middle", "ended, restarting in 0.05 s") in told
    assert ("middle", "ready again") in told

    await supervisor.stop()
    assert (tmp_path / "stopped").read_text().split() == ["top", "middle", "bottom"]
    assert {status.state for status in supervisor.status.values()} == {"stopped"}


async def test_delay_grows_with_every_crash(tmp_path: Path, supervisor: Supervisor, told: Told) -> None:
    once_ready = f"echo > {tmp_path}/weak.up; sleep 0.05; exit 3"
    await supervisor.start([fake(tmp_path, "weak", script=once_ready)])
    await until(lambda: supervisor.status["weak"].restarts >= 4)
    await supervisor.stop()
    delays = [en.split()[-2] for name, en in told if "restarting" in en]
    assert delays[:4] == ["0.05", "0.1", "0.2", "0.2"]


async def test_a_child_that_never_becomes_ready_ends_the_start(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    with pytest.raises(StartFailed, match="no such luck"):
        await supervisor.start(
            [fake(tmp_path, "good"), fake(tmp_path, "bad", script="echo no such luck >&2; exit 1")]
        )
    await supervisor.stop()
    assert (tmp_path / "stopped").read_text().split() == ["good"]


async def test_a_deaf_child_is_killed_with_its_group(
    tmp_path: Path, supervisor: Supervisor, told: Told
) -> None:
    up = f"echo $! > {tmp_path}/grandchild; echo > {tmp_path}/deaf.up"
    script = f"trap '' TERM; sleep 600 & {up}; wait; sleep 600"
    await supervisor.start([fake(tmp_path, "deaf", script=script, stop_seconds=0.2)])
    grandchild = int((tmp_path / "grandchild").read_text())
    assert process.start_ticks(grandchild) is not None
    await supervisor.stop()
    await until(lambda: process.start_ticks(grandchild) is None)
    assert ("deaf", "killed") in told


async def test_a_child_that_is_never_ready_is_started_again(tmp_path: Path, supervisor: Supervisor) -> None:
    starts = tmp_path / "starts"
    script = f"echo >> {starts}; [ $(wc -l < {starts}) -gt 1 ] && echo > {tmp_path}/slow.up; exec sleep 600"
    await supervisor.start([fake(tmp_path, "slow", script=script, ready_seconds=0.5)])
    assert supervisor.status["slow"].restarts == 1
    await supervisor.stop()


async def test_a_fault_of_our_own_is_told(tmp_path: Path, supervisor: Supervisor, told: Told) -> None:
    async def faulty() -> bool:
        raise RuntimeError("a fault")

    child = dataclasses.replace(fake(tmp_path, "odd"), ready=faulty)
    with pytest.raises(RuntimeError, match="a fault"):
        await supervisor.start([child])
    assert ("odd", "no longer supervised") in told
    await supervisor.stop()


async def test_stopping_between_two_starts(tmp_path: Path, supervisor: Supervisor) -> None:
    slow = Policy(first_delay=60, probe_every=0.01)
    supervisor._policy = slow
    await supervisor.start([fake(tmp_path, "once", script=f"echo > {tmp_path}/once.up; sleep 0.1; exit 1")])
    await until(lambda: supervisor.status["once"].state == "restarting")
    await asyncio.wait_for(supervisor.stop(), 5)


LAUNCHER = """
import asyncio, sys
from pathlib import Path
from infra.launcher import orphans, probes
from infra.launcher.child import Child
from infra.launcher.supervisor import Supervisor
folder = Path(sys.argv[1])
def child(name, script):
    return Child(name, name, lambda: ("/bin/sh", "-c", script), {"PATH": "/usr/bin:/bin"}, 0,
                 probes.file_exists(folder / f"{name}.up"))
async def main():
    keeper = Supervisor(folder / "log", orphans.Register(folder / "children.json"), lambda *_: None)
    await keeper.start([
        child("meek", f"echo $$ > {folder}/meek.up; exec sleep 600"),
        child("deaf", f"trap '' TERM; echo $$ > {folder}/deaf.up; while :; do sleep 1; done"),
    ])
    print("up", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_killed_launcher_leaves_nothing(tmp_path: Path) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(tmp_path)], stdout=subprocess.PIPE, cwd=SOURCE, text=True
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "up\n"
    pids = {name: int((tmp_path / f"{name}.up").read_text()) for name in ("meek", "deaf")}
    launcher.kill()
    launcher.wait()
    deadline = time.monotonic() + 5
    while process.start_ticks(pids["meek"]) is not None:  # the kernel's signal at its parent's death
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process.start_ticks(pids["deaf"]) is not None  # the control: it ignores that signal
    assert orphans.Register(tmp_path / "children.json").end_left_over(patience=0.3) == ["deaf"]
    assert process.start_ticks(pids["deaf"]) is None
    assert orphans.Register(tmp_path / "children.json").end_left_over() == []


def test_a_pid_handed_out_again_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "children.json"
    file.write_text(json.dumps({"stranger": [os.getpid(), 1]}))  # our pid, another start time
    assert orphans.Register(file).end_left_over(patience=0.1) == []


def test_two_launchers_on_one_home(tmp_path: Path) -> None:
    first, second = Home(tmp_path, tmp_path / "run"), Home(tmp_path, tmp_path / "run")
    first.make()
    first.lock()
    first.write_status("http://127.0.0.1:1", "ready", {})
    with pytest.raises(Refused, match="already running"):
        second.lock()
    status = second.status()
    assert status is not None
    assert status["pid"] == os.getpid()


def test_once_only_steps_are_remembered(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "run")
    home.make()
    assert home.done("registry") is None
    home.record("registry", True)
    home.record("first_capture", {"evidence_no": "X"})
    again = Home(tmp_path, tmp_path / "run")
    assert again.done("registry") is True
    assert again.done("first_capture") == {"evidence_no": "X"}


def test_logs_are_turned_over_by_size(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    with log.open("ab", buffering=0) as handle:  # as a child holds it: appending
        for number in range(5):
            handle.write(f"{number}".encode() * 100)
            logs.turn_over(tmp_path, limit=50, keep=3)
        handle.write(b"after")
    assert log.read_bytes() == b"after"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "child.log",
        *(f"child.log.{n}" for n in (1, 2, 3)),
    ]
    assert log.with_name("child.log.1").read_bytes() == b"4" * 100
    assert log.with_name("child.log.3").read_bytes() == b"2" * 100


async def test_probe_tells_ready_from_not(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 503 no\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    url = f"unix:{tmp_path}/s.sock"
    assert await probes.http(url)() is False
    server = await asyncio.start_unix_server(serve, tmp_path / "s.sock")
    assert await probes.http(url)() is False
    assert await probes.listens(url)() is True
    answer = b"HTTP/1.1 200 OK\r\n\r\n"
    assert await probes.http(url)() is True
    server.close()


def test_port_taken_is_one_clear_line_and_exit_2(tmp_path: Path) -> None:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "wangjian.cli", "up", "--no-demo"],
            env={**os.environ, "WANGJIAN_HOME": str(tmp_path / "home"), "WANGJIAN_PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
            cwd=SOURCE,
        )
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
