"""The nursery: children forked from it are the launcher's own, and none depends on it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.embedded import process

SOURCE = Path(__file__).resolve().parents[2]

CHILD = """
import gc, os, sys, time
from pathlib import Path
folder = Path(os.environ["FOLDER"])
facts = (os.getppid(), os.getsid(0), sys.argv[1], "fastapi" in sys.modules, __name__)
(folder / "facts").write_text(" ".join(map(str, facts)))
print("said")
sys.stdin = sys.stdout = sys.stderr = None  # as Celery does: the numbers 0 to 2 must stay taken
gc.collect()
(folder / "next").write_text(str(os.open("/dev/null", os.O_RDONLY)))
(folder / "child.up").write_text("x")
time.sleep(600)
"""

# A launcher of its own: becoming a subreaper is for life, not for the process that runs the tests.
LAUNCHER = """
import asyncio, json, os, signal, sys
from pathlib import Path
from infra.launcher import orphans, probes
from infra.launcher.child import Child
from infra.launcher.spawn import Nursery
from infra.launcher.supervisor import Policy, Supervisor
folder = Path(os.environ["FOLDER"])
up = folder / "child.up"
child = Child("child", "", lambda: (sys.executable, "-m", "wj_child", "given"), dict(os.environ), 0,
              probes.file_exists(up), prepare=lambda: up.unlink(missing_ok=True))
async def main():
    orphans.adopt()
    nursery = Nursery(dict(os.environ), folder / "nursery.log")
    await nursery.open()
    keeper = Supervisor(folder, orphans.Register(folder / "children.json"), lambda *_: None,
                        Policy(first_delay=0.05, probe_every=0.01), nursery=nursery)
    await keeper.start([child])
    status = keeper.status["child"]
    def say():
        facts = {"nursery": [*nursery.pids], "pid": status.pid, "restarts": status.restarts}
        print(json.dumps(facts), flush=True)
    say()
    while await asyncio.to_thread(sys.stdin.readline) == "again\\n":
        old = status.pid
        os.kill(old, signal.SIGKILL)
        while status.pid in (None, old) or status.state != "ready":
            await asyncio.sleep(0.01)
        say()
    await keeper.stop()
    await nursery.close()
    print(json.dumps({"left": [*orphans.children_of(os.getpid())]}), flush=True)
asyncio.run(main())
"""


class Launcher:
    def __init__(self, folder: Path) -> None:
        (folder / "wj_child.py").write_text(CHILD)
        env = {**os.environ, "FOLDER": str(folder), "PYTHONPATH": f"{SOURCE}:{folder}"}
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.first = self.hear()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def say(self, word: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.hear()


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    made = Launcher(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


def test_a_forked_child_is_the_launchers_own(launcher: Launcher) -> None:
    parent, session, argument, preloaded, name = (launcher.folder / "facts").read_text().split()
    assert int(parent) == launcher.process.pid
    assert int(session) == launcher.first["pid"]  # Ctrl-C on the terminal passes it by
    assert (argument, preloaded, name) == ("given", "True", "__main__")
    assert (launcher.folder / "child.log").read_text() == "said\n"
    assert int((launcher.folder / "next").read_text()) > 2
    shown = Path(f"/proc/{launcher.first['pid']}/cmdline").read_bytes()
    assert shown.rstrip(b"\0") == b"wangjian child"
    again = launcher.say("again")
    assert again["restarts"] == 1
    assert launcher.say("stop") == {"left": []}


@pytest.mark.slow
def test_without_the_nursery_children_start_plainly(launcher: Launcher) -> None:
    os.kill(launcher.first["nursery"][0], signal.SIGKILL)
    assert process.start_ticks(launcher.first["pid"]) is not None  # the control: the child does not need it
    assert launcher.say("again")["restarts"] == 1
    assert (launcher.folder / "facts").read_text().split()[3] == "False"
    assert launcher.say("stop") == {"left": []}


def test_a_forked_child_ends_with_a_killed_launcher(launcher: Launcher) -> None:
    pids = [launcher.first["pid"], *launcher.first["nursery"]]
    launcher.process.kill()
    launcher.process.wait()
    deadline = time.monotonic() + 5
    while any(process.start_ticks(pid) is not None for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)
