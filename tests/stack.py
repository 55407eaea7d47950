"""The whole platform, started as a person starts it, for browser, command-line and fault tests."""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START_SECONDS = 180
_KEPT = ("WANGJIAN_CHROMIUM", "WANGJIAN_SECRETS_DIR")


def free_port_pair() -> int:
    """A port whose successor is free as well (gateway and demo market).

    Below those the kernel hands out by itself (32768 on), or a connection might take it before the platform.
    """
    for _ in range(200):
        port = secrets.randbelow(6_000) * 2 + 20_000
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port
    raise RuntimeError("no two free ports side by side")


@dataclass
class Stack:
    """A running platform: where it answers and what its first start printed."""

    home: Path
    port: int
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        """Where the console and the API answer."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def market_url(self) -> str:
        """Where the demo market answers."""
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def passwords(self) -> dict[str, str]:
        """One-time passwords as the first start printed them, by user name."""
        found: dict[str, str] = {}
        for line in self.lines:
            cells = [cell for cell in re.split(r"[\s|│┃]+", line) if cell]
            for user in (
                "nanchang_officer",
                "zhanggong_officer",
                "province_dispatcher",
                "sysadmin",
                "secadmin",
                "auditor",
            ):
                if user in cells and len(cells) > 1:
                    found.setdefault(user, cells[-1])
        return found

    @property
    def environment(self) -> dict[str, str]:
        """Environment for commands against this platform."""
        return environment(self.home, self.port)

    def command(self, *arguments: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run `wangjian …` against this platform."""
        return subprocess.run(
            [sys.executable, "-m", "wangjian", *arguments],
            env=self.environment, text=True, capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip


def environment(home: Path, port: int) -> dict[str, str]:
    """The caller's environment without settings of another installation, with ours."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WANGJIAN_") or k in _KEPT}
    return {**clean, "WANGJIAN_HOME": str(home), "WANGJIAN_PORT": str(port), "PYTHONUNBUFFERED": "1"}


def start(home: Path, port: int, *options: str) -> Stack:
    """Start the platform and wait for its line `ready`, and on a first start for the main job's end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "wangjian", "up", *options],
        env=environment(home, port), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    stack = Stack(home, port, process)
    first = "--no-demo" not in options and not (home / "state.json").exists()
    threading.Thread(target=_collect, args=(process, stack.lines), daemon=True).start()
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        lines = list(stack.lines)
        ready = any(line.startswith("ready http://") for line in lines)
        if ready and (not first or any("VALID" in line for line in lines)):
            return stack
        time.sleep(0.1)
    output = "\n".join(stack.lines)
    stop(stack)
    raise RuntimeError(f"the platform did not become ready:\n{output}")


def _collect(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip("\n"))


def stop(stack: Stack) -> int:
    """Stop as Ctrl-C does; gives the exit code."""
    if stack.process.poll() is None:
        stack.process.send_signal(signal.SIGINT)
    try:
        return stack.process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        stack.process.kill()
        return stack.process.wait()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One platform for all tests that only use it; tests that break things start their own."""
    home = Path(tempfile.mkdtemp(prefix="wj-stack-"))
    running = start(home, free_port_pair())
    yield running
    stop(running)
    shutil.rmtree(home, ignore_errors=True)


def state_of(stack: Stack) -> dict[str, object]:
    """What `wangjian status --json` says."""
    done = stack.command("status", "--json")
    return dict(json.loads(done.stdout))
